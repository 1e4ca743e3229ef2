"""Playing a league: estimate, consent, creation, and what comes after the last step."""

import asyncio
import contextlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from llm_crowdsourced.v1 import league_pb2, run_pb2, run_service_pb2

from client import consent, costs, tables, typed
from client.command_line import plain_json, print_json
from client.connection import Connection
from client.exit_status import ExitStatus
from client.failures import CallError, CommandError, by_cause
from client.plain import count, one_line
from client.report_files import LOCAL_PROVIDER, WEAK_JUDGES, write_report
from client.run_name import run_id
from client.screen import chatter, results, say, word, working
from client.session import Session
from client.watching import (
    leave,
    print_standings,
    run_document,
    say_how_it_ended,
    standings,
    status_of,
    watch,
)

_CREATE_ATTEMPTS = 3
# Every endpoint is asked for its models before a run is accepted.
_CREATE_TIMEOUT_S = 180.0
_LAST_WAIT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class PlayOptions:
    """How a league is played.

    Attributes:
        run_id: Id of the run; chosen by the server if empty.
        dry_run: Say what it would take, and stop.
        detach: Leave the run to its server.
        yes: Do not ask before calls that may cost something.
        report: Write a report at the end.
        out: Folder of the report; `reports/RUN` if `None`.
        json: Results as one JSON document.
    """

    run_id: str = ""
    dry_run: bool = False
    detach: bool = False
    yes: bool = False
    report: bool = True
    out: Path | None = None
    json: bool = False


async def play(session: Session, league: league_pb2.League, options: PlayOptions) -> int:
    """Plays a league to its end and returns the exit status.

    Raises:
        CommandError: It cannot be played, or the server stopped answering.
        InterruptedByUserError: Ctrl-C was pressed.
    """
    connection = session.connection
    answer = await connection.ask(
        connection.runs.EstimateRun,
        run_service_pb2.EstimateRunRequest(league=league),
        timeout_s=_CREATE_TIMEOUT_S,
    )
    _show_estimate(league, answer, options)
    if answer.refusals:
        refusals = "\n".join(f"Refused: {told}" for told in _refusals(league, answer.refusals))
        raise CommandError(f"{refusals}\nNothing was sent to a model.", ExitStatus.REFUSED)
    if options.dry_run:
        say("Nothing was sent to a model.")
        return ExitStatus.OK
    if not _has_consent(league, answer, options):
        say("Nothing was sent to a model.")
        return ExitStatus.ERROR
    await _say_what_else_is_played(connection)
    run = await _create_or_leave(session, league, options.run_id)
    if options.detach:
        return _leave(session, run, options)
    say(f"Playing {run_id(run.name)}.")
    run = await watch(session, run)
    return await finish(session, run, options)


async def finish(session: Session, run: run_pb2.Run, options: PlayOptions) -> int:
    """Shows the standings of a run that has stopped, and writes its report.

    Raises:
        CommandError: The report cannot be made or written.
    """
    answer = await standings(session.connection, run)
    document: dict[str, Any] = {**run_document(run, answer), "report": []}
    if not options.json:
        print_standings(answer)
    if is_local(run.league):
        say(WEAK_JUDGES, "yellow")
    await say_how_it_ended(session, run)
    if run.state == run_pb2.Run.STATE_SUCCEEDED and options.report:
        with working("Writing the report.") as told:
            written = await write_report(session.connection, [run.name], options.out, told)
        paths = written.paths
        document["report"] = [str(path) for path in paths]
        if not options.json:
            _print_page(paths)
    if options.json:
        print_json(document)
    return status_of(run)


def _refusals(league: league_pb2.League, refusals: Iterable[str]) -> list[str]:
    """Returns why a league is refused; participants with one cause share a sentence."""
    ids = {participant.id for participant in league.participants}
    parts = ((text.partition(": "), text) for text in refusals)
    return by_cause((who, why) if who in ids else ("", text) for (who, _, why), text in parts)


def _print_page(paths: list[Path]) -> None:
    """Writes the path of the page to standard output; the other files lie beside it."""
    pages = [path for path in paths if path.suffix == ".html"] or paths[:1]
    say(f"Report, with {count(len(paths) - len(pages), 'more file')} beside it:")
    print_paths(pages)


def print_paths(paths: list[Path]) -> None:
    """Writes paths to standard output, a line each, for people and for scripts."""
    for path in paths:
        results().print(str(path), soft_wrap=True)


def is_local(league: league_pb2.League) -> bool:
    """Says whether all participants are small models of the server's machine."""
    return all(p.provider == LOCAL_PROVIDER for p in league.participants)


def _show_estimate(
    league: league_pb2.League,
    answer: run_service_pb2.EstimateRunResponse,
    options: PlayOptions,
) -> None:
    if options.dry_run and options.json:
        print_json(plain_json(answer))
        return
    # The estimate is the result of a dry run, and chatter before a real one.
    console = results() if options.dry_run else chatter()
    console.print(
        f"{count(answer.calls, 'call')} and {count(answer.marks, 'mark')} when nothing fails."
    )
    console.print(tables.estimate(answer))
    if answer.basis:
        console.print(one_line(answer.basis), style="dim", soft_wrap=True)
    if why := costs.unpriced(league, answer) if not is_local(league) else "":
        console.print(word(why, "yellow"), soft_wrap=not console.is_terminal)
    console.print(word(costs.budget(league)), soft_wrap=not console.is_terminal)


def _has_consent(
    league: league_pb2.League,
    answer: run_service_pb2.EstimateRunResponse,
    options: PlayOptions,
) -> bool:
    """Asks before money may be spent, where somebody is there to be asked."""
    if options.yes or is_local(league):
        return True
    cost = answer.cost_usd if answer.HasField("cost_usd") else None
    limit = league.budget.max_cost_usd if league.budget.HasField("max_cost_usd") else None
    return consent.is_given("Play it", cost, at_most=limit)


async def _say_what_else_is_played(connection: Connection) -> None:
    """Tells of runs whose server had been stopped, and which stand still."""
    if connection.embedded is None:
        return
    listed = await connection.ask(connection.runs.ListRuns, run_service_pb2.ListRunsRequest())
    going_on = [run_id(r.name) for r in listed.runs if r.state == run_pb2.Run.STATE_RUNNING]
    if going_on:
        say(
            f"Left unfinished by a server that was stopped: {', '.join(going_on)}. "
            f"Go on with it later: {typed.command('runs', 'resume', 'RUN')}"
        )


async def _create_or_leave(session: Session, league: league_pb2.League, wanted: str) -> run_pb2.Run:
    """Creates the run; interrupted, it still learns which run that was."""
    creating = asyncio.ensure_future(_create(session.connection, league, wanted))
    try:
        return await asyncio.shield(creating)
    except asyncio.CancelledError:
        # The server may have accepted it already: nobody would know, and it
        # would be played.
        with contextlib.suppress(TimeoutError, CommandError):
            await leave(session, await asyncio.wait_for(creating, _LAST_WAIT_S))
        raise


async def _create(connection: Connection, league: league_pb2.League, wanted: str) -> run_pb2.Run:
    # With one request_id a repeated request cannot start a second run.
    request = run_service_pb2.CreateRunRequest(
        run_id=wanted, league=league, request_id=str(uuid.uuid4())
    )
    for attempt in range(1, _CREATE_ATTEMPTS + 1):
        try:
            answer = await connection.ask(
                connection.runs.CreateRun, request, timeout_s=_CREATE_TIMEOUT_S
            )
        except CallError as error:
            lost = error.code is grpc.StatusCode.UNAVAILABLE and not error.reason
            if not lost or attempt == _CREATE_ATTEMPTS:
                raise
        else:
            return answer.run
    raise AssertionError  # the last attempt returns or raises


def _leave(session: Session, run: run_pb2.Run, options: PlayOptions) -> ExitStatus:
    name = run_id(run.name)
    if options.json:
        print_json({"run": plain_json(run)})
    else:
        results().print(name)
    say(f"{name} is played at {session.connection.address}.")
    say(f"Watch it: {session.command('runs', 'watch', name)}")
    return ExitStatus.OK
