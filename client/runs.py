"""Lists, shows, follows, steers and plays again what leagues have been run."""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Callable, Coroutine
from typing import Any

if importlib.util.find_spec("llm_crowdsourced") is None:
    # Typed with another Python than the project's.
    importlib.import_module("venv_python").switch()

from llm_crowdsourced.v1 import league_pb2

from client import (
    command_line,
    run_actions,
    run_arguments,
    run_calls,
    run_coverage,
    run_export,
    run_ledger,
    run_limits,
    run_rejudge,
    run_retry,
)
from client.connection import connect
from client.interrupts import Interrupts
from client.playing import PlayOptions
from client.run_name import run_id, run_name
from client.session import Session

_Work = Coroutine[Any, Any, int]
# They play a run to its end with a server of their own.
_PLAYING = {"resume", "retry", "rejudge"}


async def _act(session: Session, arguments: argparse.Namespace) -> int:
    name = run_name(arguments.run) if "run" in arguments else ""
    return await _ACTIONS[arguments.action](session, name, arguments)


def _list(session: Session, _: str, arguments: argparse.Namespace) -> _Work:
    return run_actions.list_runs(session, arguments.limit, as_json=arguments.json)


def _show(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    connection, as_json = session.connection, arguments.json
    if arguments.round:
        return run_actions.show_round(
            connection, name, arguments.round, full=arguments.full, as_json=as_json
        )
    return run_actions.show_run(session, name, as_json=as_json)


def _calls(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    chosen = run_calls.Choice(
        round=arguments.round or 0,
        participant=arguments.participant or "",
        role=arguments.role or "",
        failed=arguments.failed,
    )
    return run_calls.show_calls(
        session.connection, name, chosen, raw=arguments.raw, as_json=arguments.json
    )


def _coverage(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    return run_coverage.show_coverage(session.connection, name, as_json=arguments.json)


def _ledger(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    return run_ledger.show_ledger(session.connection, name, as_json=arguments.json)


def _export(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    return run_export.export(session.connection, name, arguments.out, as_json=arguments.json)


def _watch(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    return run_actions.watch_run(session, name, as_json=arguments.json)


def _pause(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    return run_actions.pause_run(session, name, as_json=arguments.json)


def _cancel(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    return run_actions.cancel_run(session.connection, name, as_json=arguments.json)


def _limits(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    change = run_limits.Change(
        max_calls=arguments.max_calls,
        max_tokens=arguments.max_tokens,
        max_cost_usd=arguments.max_cost,
        concurrency=arguments.concurrency,
    )
    return run_limits.limits(session, name, change, as_json=arguments.json)


def _provider_limits(session: Session, _: str, arguments: argparse.Namespace) -> _Work:
    change = run_limits.ProviderChange(
        concurrency=arguments.concurrency, rpm=arguments.rpm, tpm=arguments.tpm
    )
    return run_limits.provider_limits(session, arguments.provider, change, as_json=arguments.json)


def _resume(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    return run_actions.resume_run(session, name, _budget(arguments), _options(arguments))


def _retry(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    return run_retry.retry(session, name, _budget(arguments), _options(arguments))


def _rejudge(session: Session, name: str, arguments: argparse.Namespace) -> _Work:
    wanted = run_rejudge.Options(
        run_id=run_id(run_name(arguments.run_id)) if arguments.run_id else "",
        judges=tuple(arguments.judges),
        identity=arguments.identity,
        order=arguments.order,
        evidence=arguments.evidence,
        seed=arguments.seed,
        budget=_budget(arguments),
    )
    return run_rejudge.rejudge(session, name, wanted, _options(arguments))


def _budget(arguments: argparse.Namespace) -> league_pb2.Budget:
    return league_pb2.Budget(
        max_calls=arguments.max_calls,
        max_tokens=arguments.max_tokens,
        max_cost_usd=arguments.max_cost,
    )


def _options(arguments: argparse.Namespace) -> PlayOptions:
    return PlayOptions(
        report=not arguments.no_report,
        out=arguments.out,
        json=arguments.json,
        # A resumption has neither: it goes on with what had its consent.
        dry_run=getattr(arguments, "dry_run", False),
        yes=getattr(arguments, "yes", False),
    )


_ACTIONS: dict[str, Callable[[Session, str, argparse.Namespace], _Work]] = {
    "list": _list,
    "show": _show,
    "calls": _calls,
    "coverage": _coverage,
    "ledger": _ledger,
    "export": _export,
    "watch": _watch,
    "pause": _pause,
    "cancel": _cancel,
    "resume": _resume,
    "limits": _limits,
    "provider-limits": _provider_limits,
    "retry": _retry,
    "rejudge": _rejudge,
}


def main(argv: list[str]) -> int:
    """Does what is asked with runs and returns the exit status."""
    arguments = run_arguments.parser(__doc__ or "").parse_args(argv)

    async def command(interrupts: Interrupts) -> int:
        target = command_line.target(arguments)
        for typed in (getattr(arguments, "run", ""), getattr(arguments, "run_id", "")):
            if typed:
                # A name that cannot be is told before a server is started for it.
                run_name(typed)
        plays = arguments.action in _PLAYING and not getattr(arguments, "dry_run", False)
        async with connect(target, plays=plays, joins=not plays) as connection:
            session = Session(
                connection=connection,
                target=target,
                interrupts=interrupts,
                report=command_line.report_options(arguments) if plays else (),
            )
            return await _act(session, arguments)

    return command_line.run(command)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
