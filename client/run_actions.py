"""What `runs.py` does with runs: list, show, watch, pause, resume, cancel."""

from collections.abc import Iterable

from llm_crowdsourced.v1 import league_pb2, result_service_pb2, round_pb2, run_pb2, run_service_pb2
from rich.console import Console, RenderableType

from client import enum_words, run_calls, run_coverage, run_retry, run_text, tables, typed
from client.command_line import plain_json, print_json
from client.connection import Connection
from client.dataset import list_rounds, round_record
from client.exit_status import ExitStatus
from client.failures import CallError, CommandError
from client.follow import get_run
from client.plain import one_line
from client.playing import PlayOptions, finish
from client.run_name import run_id
from client.run_progress import has_stopped
from client.screen import results, say
from client.session import Session
from client.watching import run_document, standings, watch

_PAGE = 100
_BEING_PLAYED = {run_pb2.Run.STATE_PENDING, run_pb2.Run.STATE_RUNNING}


async def list_runs(session: Session, limit: int, *, as_json: bool) -> int:
    """Lists runs, newest first.

    Raises:
        CommandError: The server does not answer.
    """
    connection = session.connection
    found: list[run_pb2.Run] = []
    request = run_service_pb2.ListRunsRequest(page_size=min(_PAGE, limit))
    while len(found) < limit:
        page = await connection.ask(connection.runs.ListRuns, request)
        found += page.runs
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    found = found[:limit]
    if as_json:
        print_json({"runs": [plain_json(run) for run in found]})
    elif found:
        console = results()
        console.print(tables.runs(found, console.width))
    else:
        league = typed.path("client/leagues/math.toml")
        say(f"There is no run yet: {typed.command('play', league)}")
    if session.ends_with_server:
        _say_that_nobody_plays(session, found)
    return ExitStatus.OK


def _say_that_nobody_plays(session: Session, found: Iterable[run_pb2.Run]) -> None:
    """Tells of runs whose server was stopped under them: a state alone would mislead."""
    for run in found:
        if run.state in _BEING_PLAYED:
            name = run_id(run.name)
            say(f"No server plays {name} now. Go on: {session.command('runs', 'resume', name)}")


async def show_run(session: Session, name: str, *, as_json: bool) -> int:
    """Shows a run.

    Raises:
        CommandError: The run is not known, or the server does not answer.
    """
    connection = session.connection
    run = await get_run(connection, name)
    answer = await standings(connection, run)
    covered = await run_coverage.fetch_totals(connection, name)
    rounds = [r async for r in list_rounds(connection, name, round_pb2.ROUND_VIEW_BASIC)]
    conceded = await run_calls.conceded(connection, name)
    if as_json:
        document = run_document(run, answer)
        document["coverage"] = plain_json(covered)
        document["conceded"] = conceded
        print_json({**document, "rounds": [plain_json(r) for r in rounds]})
    else:
        console = results()
        told = list(run_coverage.summary(covered, console))
        _print_all(console, run_text.run_text(run, answer, told, rounds, conceded))
        judged_again = bool(run.source_run)
        failed = run_retry.failed_steps(rounds, judgments_only=judged_again)
        if has_stopped(run.state) and failed.again:
            retry = session.command("runs", "retry", run_id(name))
            say(f"Ask again what ended unavailable or unparsable: {retry}")
    return ExitStatus.OK


async def show_round(
    connection: Connection, name: str, index: int, *, full: bool = False, as_json: bool
) -> int:
    """Shows one round with all its texts.

    Args:
        connection: The server.
        name: The run.
        index: Number of the round.
        full: Whether programs are shown whole, not only their first lines.
        as_json: Whether to write a JSON document.

    Raises:
        CommandError: The round is not known, or the server does not answer.
    """
    request = result_service_pb2.GetRoundRequest(
        name=f"{name}/rounds/{index}", view=round_pb2.ROUND_VIEW_FULL
    )
    answer = await connection.ask(connection.results.GetRound, request)
    if as_json:
        print_json({"round": plain_json(answer.round)})
    else:
        console = results()
        parts = run_text.round_text(
            round_record(answer.round), full=full, ascii_only=console.options.ascii_only
        )
        _print_all(console, parts)
    return ExitStatus.OK


def _print_all(console: Console, parts: Iterable[RenderableType]) -> None:
    for part in parts:
        console.print(part)


async def watch_run(session: Session, name: str, *, as_json: bool) -> int:
    """Follows a run until it stops.

    Raises:
        CommandError: The run is not known, nobody plays it, or the server does
            not answer.
    """
    run = await get_run(session.connection, name)
    stopped = has_stopped(run.state)
    if session.ends_with_server and not stopped:
        raise CommandError(
            f"No server plays {run_id(name)} now. Go on with it: "
            f"{session.command('runs', 'resume', run_id(name))}"
        )
    if not stopped:
        try:
            run = await watch(session, run)
        except CallError as error:
            if not session.connection.is_found:
                raise
            raise CommandError(
                f"{error}\nGo on with it: {session.command('runs', 'resume', run_id(name))}"
            ) from error
    status = await finish(session, run, PlayOptions(report=False, json=as_json))
    if run.state == run_pb2.Run.STATE_SUCCEEDED:
        say(f"Report: {session.command('report', '--run-id', run_id(name))}")
    return status


async def pause_run(session: Session, name: str, *, as_json: bool) -> int:
    """Pauses a run.

    Raises:
        CommandError: The run is not known or over, or the server does not answer.
    """
    connection = session.connection
    answer = await connection.ask(
        connection.runs.PauseRun, run_service_pb2.PauseRunRequest(name=name)
    )
    _tell(answer.run, as_json=as_json)
    say(f"Go on with it: {session.command('runs', 'resume', run_id(name))}")
    return ExitStatus.OK


async def cancel_run(connection: Connection, name: str, *, as_json: bool) -> int:
    """Cancels a run.

    Raises:
        CommandError: The run is not known or over, or the server does not answer.
    """
    answer = await connection.ask(
        connection.runs.CancelRun, run_service_pb2.CancelRunRequest(name=name)
    )
    _tell(answer.run, as_json=as_json)
    return ExitStatus.OK


async def resume_run(
    session: Session, name: str, raised: league_pb2.Budget, options: PlayOptions
) -> int:
    """Goes on with a run; with a server of the command's own, to its end.

    Args:
        session: The command.
        name: The run.
        raised: Limits that change; the others stay.
        options: Whether to write a report at the end, and where.

    Raises:
        CommandError: The run is not known or over, or the server does not answer.
    """
    connection = session.connection
    run = await get_run(connection, name)
    playing = run.state in {run_pb2.Run.STATE_PENDING, run_pb2.Run.STATE_RUNNING}
    # A server of the command's own plays nothing yet, whatever the state says.
    if playing and not session.ends_with_server and not raised.ByteSize():
        say(f"{run_id(name)} is being played.")
    else:
        request = run_service_pb2.ResumeRunRequest(name=name)
        if raised.ByteSize():
            request.budget.CopyFrom(run.league.budget)
            request.budget.MergeFrom(raised)
        run = (await connection.ask(connection.runs.ResumeRun, request)).run
    if not session.ends_with_server:
        _tell(run, as_json=options.json)
        say(f"Watch it: {session.command('runs', 'watch', run_id(name))}")
        return ExitStatus.OK
    run = await watch(session, run)
    return await finish(session, run, options)


def _tell(run: run_pb2.Run, *, as_json: bool) -> None:
    if as_json:
        print_json({"run": plain_json(run)})
        return
    state = enum_words.state(run.state)
    why = f": {one_line(run.state_reason)}" if run.state_reason else ""
    results().print(f"{run_id(run.name)} {state}{why}", soft_wrap=True)
