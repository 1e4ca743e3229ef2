"""Lists, shows, watches, pauses, resumes and cancels runs."""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

if importlib.util.find_spec("llm_crowdsourced") is None:
    # Typed with another Python than the project's.
    importlib.import_module("venv_python").switch()

from llm_crowdsourced.v1 import league_pb2

from client import command_line, run_actions
from client.connection import connect
from client.interrupts import Interrupts
from client.playing import PlayOptions
from client.run_name import run_name
from client.session import Session

_Work = Coroutine[Any, Any, int]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _dollars(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


# argparse names a type in its errors.
_positive.__name__ = "whole number from 1"
_dollars.__name__ = "sum in dollars"


def _parser() -> argparse.ArgumentParser:
    options = command_line.parser(__doc__ or "", "python client/runs.py show math-1 --round 2")
    actions = options.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, told: str, example: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(
            name,
            help=told,
            description=told[0].upper() + told[1:] + ".",
            epilog=f"example:\n  python client/runs.py {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name != "list":
            sub.add_argument("run", metavar="RUN", help="the run, as RUN or runs/RUN")
        sub.add_argument("--json", action="store_true", help="results as one JSON document")
        command_line.add_target(sub)
        return sub

    listed = action("list", "list runs, newest first", "list --limit 10")
    listed.add_argument("--limit", type=_positive, default=50, metavar="N", help="at most N runs")
    show = action("show", "show a run, or one of its rounds", "show math-1 --round 2")
    show.add_argument("--round", type=_positive, metavar="N", help="round N with all its texts")
    action("watch", "follow a run until it stops", "watch math-1 --server 127.0.0.1:50051")
    action("pause", "start no further call of a run", "pause math-1 --server 127.0.0.1:50051")
    action("cancel", "stop a run for good; what it produced stays", "cancel math-1")
    resumed = action("resume", "go on with a paused run", "resume math-1 --max-calls 200")
    resumed.add_argument("--out", type=Path, metavar="DIR", help="where to write the report")
    resumed.add_argument("--no-report", action="store_true", help="write no report")
    resumed.add_argument("--max-calls", type=_positive, metavar="N", help="new limit of calls")
    resumed.add_argument("--max-tokens", type=_positive, metavar="N", help="new limit of tokens")
    resumed.add_argument(
        "--max-cost", type=_dollars, metavar="DOLLARS", help="new limit of the cost"
    )
    return options


async def _act(session: Session, arguments: argparse.Namespace) -> int:
    name = run_name(arguments.run) if "run" in arguments else ""
    return await _ACTIONS[arguments.action](session, name, arguments)


def _list(session: Session, _: str, arguments: argparse.Namespace) -> _Work:
    return run_actions.list_runs(session, arguments.limit, as_json=arguments.json)


def _show(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    connection, as_json = session.connection, arguments.json
    if arguments.round:
        return run_actions.show_round(connection, name, arguments.round, as_json=as_json)
    return run_actions.show_run(connection, name, as_json=as_json)


def _watch(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    return run_actions.watch_run(session, name, as_json=arguments.json)


def _pause(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    return run_actions.pause_run(session, name, as_json=arguments.json)


def _resume(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    raised = league_pb2.Budget(
        max_calls=arguments.max_calls,
        max_tokens=arguments.max_tokens,
        max_cost_usd=arguments.max_cost,
    )
    options = PlayOptions(report=not arguments.no_report, out=arguments.out, json=arguments.json)
    return run_actions.resume_run(session, name, raised, options)


def _cancel(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    return run_actions.cancel_run(session.connection, name, as_json=arguments.json)


_ACTIONS: dict[str, Callable[[Session, str, argparse.Namespace], _Work]] = {
    "list": _list,
    "show": _show,
    "watch": _watch,
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
}


def main(argv: list[str]) -> int:
    """Does what is asked with runs and returns the exit status."""
    arguments = _parser().parse_args(argv)

    async def command(interrupts: Interrupts) -> int:
        target = command_line.target(arguments)
        if "run" in arguments:
            # A name that cannot be is told before a server is started for it.
            run_name(arguments.run)
        plays = arguments.action == "resume"
        async with connect(target, plays=plays) as connection:
            session = Session(connection=connection, target=target, interrupts=interrupts)
            return await _act(session, arguments)

    return command_line.run(command)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
