"""The command line of `execute.py`."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from client import command_line
from client.option_values import COUNT, SIZE, TIME

_STATUSES = """\
exit status:
  0 every case accepted, 1 one not accepted, or an error, 2 wrong usage or a file
  that cannot be read, 3 refused, or no programs can be run there, 130 Ctrl-C
"""


_NEGATIVE = re.compile(r"-\d")


def parse(description: str, words: Sequence[str]) -> argparse.Namespace:
    """Reads a command line; ends the command where it cannot be."""
    options = parser(description)
    arguments = options.parse_args(_joined(words))
    if bool(arguments.source) == arguments.list:
        options.error("name the file of a program, or --list for the languages")
    return arguments


def _joined(words: Sequence[str]) -> list[str]:
    """Makes one word of such as `--time -1s`, whose value argparse would take for an option."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1][2:] and joined[-1].startswith("--") and _NEGATIVE.match(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def parser(description: str) -> argparse.ArgumentParser:
    """Returns the parser."""
    options = command_line.parser(
        description,
        "python client/execute.py solution.cpp --case in.txt:out.txt --time 2s --memory 256MiB",
        _STATUSES,
    )
    options.add_argument(
        "source", metavar="SOURCE", nargs="?", help="the program; - for standard input"
    )
    options.add_argument(
        "--list",
        action="store_true",
        help="list the languages with their versions and limits, and run nothing",
    )
    options.add_argument(
        "--show", action="store_true", help="all that the program wrote, controls escaped"
    )
    options.add_argument("--json", action="store_true", help="results as one JSON document")
    _add_cases(options)
    _add_limits(options)
    command_line.add_target(options)
    return options


def _add_cases(options: argparse.ArgumentParser) -> None:
    group = options.add_argument_group(
        "program and cases", "Without a case the program is run once, on no input."
    )
    group.add_argument(
        "--language",
        metavar="NAME",
        default="",
        help="such as cpp; told by the name of the file, or from the source, if left out",
    )
    group.add_argument(
        "--case",
        dest="case",
        metavar="IN[:OUT]",
        action="append",
        default=[],
        help="a file with an input and one with the output that is expected; without the "
        "second the output is not compared; may be given several times",
    )
    group.add_argument(
        "--cases",
        metavar="DIR",
        type=Path,
        help="all NAME.in of a folder, with NAME.out or NAME.ans",
    )
    group.add_argument(
        "--checker",
        metavar="HOW",
        default="tokens",
        help="exact (bytes), tokens (words), floats:1e-6 (numbers within a tolerance), or the "
        "file of a program that decides: it gets the names of files with input, output and "
        "expected output, and exits with 42 for right or 43 for wrong; tokens if left out",
    )


def _add_limits(options: argparse.ArgumentParser) -> None:
    group = options.add_argument_group("limits of each case", "The language's if left out.")
    group.add_argument("--time", type=TIME, metavar="TIME", help="CPU time, as 2s")
    group.add_argument("--wall", type=TIME, metavar="TIME", help="time by the clock, as 10s")
    group.add_argument("--memory", type=SIZE, metavar="SIZE", help="as 256MiB")
    group.add_argument("--output", type=SIZE, metavar="SIZE", help="what it may print, as 4MiB")
    group.add_argument("--processes", type=COUNT, metavar="N", help="processes and threads at once")
