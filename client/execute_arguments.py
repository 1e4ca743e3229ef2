"""The command line of `execute.py`."""

import argparse
from pathlib import Path

from client import amounts, command_line

_STATUSES = """\
exit status:
  0 every case accepted, 1 one not accepted, or an error, 2 wrong usage or a file
  that cannot be read, 3 refused, or no programs can be run there, 130 Ctrl-C
"""


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_positive.__name__ = "whole number from 1"


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
    group.add_argument("--time", type=amounts.seconds, metavar="TIME", help="CPU time, as 2s")
    group.add_argument(
        "--wall", type=amounts.seconds, metavar="TIME", help="time by the clock, as 10s"
    )
    group.add_argument("--memory", type=amounts.size, metavar="SIZE", help="as 256MiB")
    group.add_argument(
        "--output", type=amounts.size, metavar="SIZE", help="what it may print, as 4MiB"
    )
    group.add_argument(
        "--processes", type=_positive, metavar="N", help="processes and threads at once"
    )
