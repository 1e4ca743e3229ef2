"""What all commands share: options, the way in and out, and JSON."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NoReturn

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from client.connection import Target
from client.exit_status import ExitStatus
from client.failures import CommandError
from client.interrupts import InterruptedByUserError, Interrupts, listening
from client.screen import say

_STATUSES = """\
exit status:
  0 done, 1 error, 2 wrong usage or league file, 3 refused, 4 run failed or
  cancelled, 5 run paused (such as a budget used up), 130 Ctrl-C
"""


class _Parser(argparse.ArgumentParser):
    """Says in one sentence what is wrong; the usage, which is long, would hide it."""

    def error(self, message: str) -> NoReturn:
        """Ends the command."""
        told = message.removeprefix("argument ")
        say(f"{told[0].upper()}{told[1:]}; see --help.", "red")
        raise SystemExit(ExitStatus.USAGE)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Ends the command, such as after its help."""
        if _is_read():
            super().exit(status, message)
        raise SystemExit(ExitStatus.CLOSED_PIPE)


def parser(description: str, example: str, statuses: str = _STATUSES) -> argparse.ArgumentParser:
    """Returns a parser whose help ends with an example and the exit statuses."""
    return _Parser(
        description=description,
        epilog=f"example:\n  {example}\n\n{statuses}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_target(options: argparse.ArgumentParser) -> None:
    """Adds the options that say which server to talk to."""
    group = options.add_argument_group("server")
    group.add_argument(
        "--server",
        metavar="HOST:PORT",
        default="",
        help="talk to this server; without it, one is started for the time of the command, or "
        "found where one has the database open and the command plays nothing itself",
    )
    group.add_argument(
        "--ca",
        metavar="FILE",
        type=Path,
        help="check the server's certificate against this one (PEM); other addresses than "
        "loopback always use TLS, and send the token in LLM_CROWDSOURCED_TOKEN",
    )
    group.add_argument(
        "--settings",
        metavar="FILE",
        type=Path,
        help="settings of the server that is started; server/settings.toml if left out",
    )


def target(arguments: argparse.Namespace) -> Target:
    """Returns which server the options name.

    Raises:
        CommandError: They contradict each other.
    """
    if arguments.server and arguments.settings:
        raise CommandError(
            "--settings is for the server that a command starts; --server names another.",
            ExitStatus.USAGE,
        )
    if arguments.ca and not arguments.server:
        raise CommandError("--ca goes with --server HOST:PORT.", ExitStatus.USAGE)
    settings = arguments.settings.absolute() if arguments.settings else None
    return Target(server=arguments.server, ca=arguments.ca, settings=settings)


def report_options(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Returns the options on where a report goes, and whether there is one, as they were typed."""
    out = ("--out", str(arguments.out)) if arguments.out else ()
    return (*out, *(("--no-report",) if arguments.no_report else ()))


def run(command: Callable[[Interrupts], Coroutine[Any, Any, int]]) -> int:
    """Runs a command to its exit status; says what went wrong in sentences."""
    try:
        status = _run(command)
    except BrokenPipeError:
        status = ExitStatus.CLOSED_PIPE
    return status if _is_read() else ExitStatus.CLOSED_PIPE


def _is_read() -> bool:
    """Writes out what is left, and says whether somebody reads it."""
    is_read = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            is_read = False
            # What is left in the stream goes nowhere: the interpreter would try again.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    return is_read


def _run(command: Callable[[Interrupts], Coroutine[Any, Any, int]]) -> int:
    try:
        return int(asyncio.run(_guarded(command)))
    except CommandError as error:
        for sentence in str(error).splitlines():
            say(sentence, "red")
        return error.status
    except (InterruptedByUserError, KeyboardInterrupt):
        return ExitStatus.INTERRUPTED


async def _guarded(command: Callable[[Interrupts], Coroutine[Any, Any, int]]) -> int:
    async with listening() as interrupts:
        return await interrupts.guard(command(interrupts))


def plain_json(message: Message) -> dict[str, Any]:
    """Returns a message in protobuf's JSON mapping, with the contract's field names."""
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def print_json(document: Mapping[str, Any]) -> None:
    """Writes one JSON document to standard output."""
    # Escaped beyond ASCII: what a model wrote must not reach a terminal raw.
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
