"""Watching a run from a command, and what the command does when it stops."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from llm_crowdsourced.v1 import result_service_pb2, run_pb2, run_service_pb2

from client import plain, tables
from client.command_line import plain_json
from client.connection import Connection
from client.exit_status import ExitStatus
from client.failures import CallError
from client.follow import begin, follow
from client.interrupts import InterruptedByUserError
from client.line_view import LineView
from client.live_view import LiveView
from client.plain import one_line
from client.run_ledger import fetch_ledger
from client.run_name import run_id
from client.screen import chatter, is_drawn_on, results, say
from client.session import Session

_LAST_WAIT_S = 2.0
_STATUSES = {
    run_pb2.Run.STATE_SUCCEEDED: ExitStatus.OK,
    run_pb2.Run.STATE_PAUSED: ExitStatus.PAUSED,
    run_pb2.Run.STATE_FAILED: ExitStatus.RUN_FAILED,
    run_pb2.Run.STATE_CANCELLED: ExitStatus.RUN_FAILED,
}


@contextlib.contextmanager
def _view() -> Iterator[LiveView | LineView]:
    console = chatter()
    with LiveView(console) if is_drawn_on(console) else LineView(console) as view:
        yield view


async def watch(session: Session, run: run_pb2.Run) -> run_pb2.Run:
    """Shows a run until it is terminal or paused.

    Ctrl-C leaves it to its server, and pauses it where the server is the
    command's own, which ends with it.

    Raises:
        InterruptedByUserError: Ctrl-C was pressed.
        CommandError: The server does not answer any more.
    """
    try:
        return await session.interrupts.guard(_show(session.connection, run))
    except InterruptedByUserError:
        await leave(session, run)
        raise


async def _show(connection: Connection, run: run_pb2.Run) -> run_pb2.Run:
    progress = await begin(connection, run)
    with _view() as view:
        return await follow(connection, progress, view)


async def leave(session: Session, run: run_pb2.Run) -> None:
    """Leaves a run to its server, or pauses it where the server ends with the command."""
    if session.ends_with_server:
        await _pause(session, run)
    else:
        _say_that_it_goes_on(session, run)


def _say_that_it_goes_on(session: Session, run: run_pb2.Run) -> None:
    name = run_id(run.name)
    say(
        f"{name} goes on at {session.connection.address}.\n"
        f"  watch it:  {session.command('runs', 'watch', name)}\n"
        f"  pause it:  {session.command('runs', 'pause', name)}"
    )


async def _pause(session: Session, run: run_pb2.Run) -> None:
    name = run_id(run.name)
    say(f"Pausing {name}; calls under way may still arrive. Ctrl-C again stops at once.")
    request = run_service_pb2.PauseRunRequest(name=run.name)
    asking = asyncio.ensure_future(
        session.connection.ask(session.connection.runs.PauseRun, request)
    )
    try:
        await _say_that_it_is_paused(session, (await asyncio.shield(asking)).run)
    except asyncio.CancelledError:
        # A run that is not paused would be played on by the next server.
        with contextlib.suppress(TimeoutError, CallError):
            run = (await asyncio.wait_for(asking, _LAST_WAIT_S)).run
            await asyncio.wait_for(_say_that_it_is_paused(session, run), _LAST_WAIT_S)
        raise
    except CallError as error:
        if error.reason != "WRONG_STATE":
            raise
        say(f"{name} came to its end just before: {session.command('runs', 'show', name)}")


async def _say_that_it_is_paused(session: Session, run: run_pb2.Run) -> None:
    done, total = run.progress.done_steps, run.progress.total_steps
    name = run_id(run.name)
    waiting = await _under_way(session.connection, run)
    # The server gives them its grace, so that a list may soon show more steps.
    so_far = f" so far, {plain.count(waiting, 'call')} still under way" if waiting else ""
    say(
        f"{name} is paused, {done:,} of {plain.count(total, 'step')} done{so_far}; go on with:\n"
        f"  {session.resumption(name)}"
    )


async def _under_way(connection: Connection, run: run_pb2.Run) -> int:
    """Returns the calls of a run that may still arrive."""
    return (await fetch_ledger(connection, run.name)).calls_under_way


def status_of(run: run_pb2.Run) -> ExitStatus:
    """Returns the exit status of a command that followed a run to this state."""
    return _STATUSES.get(run.state, ExitStatus.ERROR)


async def say_how_it_ended(session: Session, run: run_pb2.Run) -> None:
    """Says why a run or some of its steps did not succeed, and what can be done.

    Raises:
        CommandError: The server does not answer.
    """
    name = run_id(run.name)
    why = one_line(run.state_reason or run.failure.message)
    because = f": {why}" if why else ""
    if run.state == run_pb2.Run.STATE_PAUSED:
        say(f"{name} is paused{because.rstrip('.')}.", "yellow")
        if waiting := await _under_way(session.connection, run):
            verb = "is" if waiting == 1 else "are"
            say(f"{plain.count(waiting, 'call')} {verb} still under way: all counts are so far.")
        say(f"Go on with it: {session.resumption(name)}")
        if run.league.budget.ByteSize():
            say("A larger budget: add --max-calls N, --max-tokens N or --max-cost DOLLARS.")
    elif run.state == run_pb2.Run.STATE_SUCCEEDED and run.progress.failed_steps:
        failed = plain.count(run.progress.failed_steps, "step")
        say(f"{failed} failed. Why, and what to do: {session.command('runs', 'show', name)}")
    elif run.state in {run_pb2.Run.STATE_FAILED, run_pb2.Run.STATE_CANCELLED}:
        word = "failed" if run.state == run_pb2.Run.STATE_FAILED else "was cancelled"
        say(f"{name} {word}{because.rstrip('.')}.", "red")
        say(f"What it produced is kept: {session.command('report', '--run-id', name)}")


async def standings(
    connection: Connection, run: run_pb2.Run
) -> result_service_pb2.GetStandingsResponse:
    """Returns the standings of a run.

    Raises:
        CommandError: The server does not answer.
    """
    request = result_service_pb2.GetStandingsRequest(name=run.name)
    return await connection.ask(connection.results.GetStandings, request)


def print_standings(answer: result_service_pb2.GetStandingsResponse) -> None:
    """Writes the standings to standard output, below what warns of them."""
    console = results()
    for sentence in tables.warning(answer):
        console.print(sentence)
    if answer.marks:
        console.print(tables.standings(answer))
        console.print(tables.reading(answer))


def run_document(
    run: run_pb2.Run, answer: result_service_pb2.GetStandingsResponse
) -> dict[str, Any]:
    """Returns a run with its standings, for `--json`."""
    return {
        "coverage_warning": answer.coverage_warning,
        "verification_warning": answer.verification_warning,
        "run": plain_json(run),
        "standings": plain_json(answer),
    }
