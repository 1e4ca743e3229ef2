"""Limits and counts as people see them are those of now: over the real server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import event_pb2, league_pb2, run_service_pb2

from client import run_actions, run_limits
from client.connection import Target, connect
from client.exit_status import ExitStatus
from client.follow import begin, follow, get_run
from client.interrupts import Interrupts
from client.playing import PlayOptions, play
from client.run_limits import Change
from client.run_progress import RunProgress
from client.session import Session
from client.watching import watch
from tests.support.league_server import league_server, math_league, settings_for
from tests.support.scripted_league import Held, LeagueScript, eventually

NAME = "runs/mine"
NO_REPORT = PlayOptions(report=False, run_id="mine")


@pytest.fixture
async def script() -> LeagueScript:
    return LeagueScript()


@pytest.fixture
async def session(script: LeagueScript, tmp_path: Path) -> AsyncIterator[Session]:
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_concurrent_calls=1)
        async with league_server(settings) as server:
            target = Target(server=server.address)
            async with connect(target) as connection:
                yield Session(connection=connection, target=target, interrupts=Interrupts())


class Seen:
    """A view that keeps what it is told."""

    def update(self, progress: RunProgress, event: event_pb2.RunEvent) -> None:
        """Has nothing to draw."""

    def say(self, sentence: str) -> None:
        """Has nobody to tell."""

    def note(self, notice: str) -> None:
        """Has nobody to tell."""


async def seen(session: Session) -> RunProgress:
    """Follows the run to where it stops, and returns it as a view shows it then."""
    connection = session.connection
    progress = await begin(connection, await get_run(connection, NAME))
    await follow(connection, progress, Seen())
    return progress


async def _run_with_answers_held(session: Session, script: LeagueScript) -> Held:
    """Begins a run, and returns once the first of its answers is held back."""
    held = Held(lambda asked: asked.role == "answer")
    script.bend = held
    request = run_service_pb2.CreateRunRequest(run_id="mine", league=math_league(3))
    await session.connection.runs.CreateRun(request)
    await held.arrived.wait()
    return held


async def test_a_budget_raised_by_a_resumption_is_the_one_that_is_shown(session: Session) -> None:
    await play(session, math_league(3, budget=league_pb2.Budget(max_calls=4)), NO_REPORT)
    await run_limits.limits(session, NAME, Change(max_calls=6), as_json=False)
    await run_actions.resume_run(session, NAME, league_pb2.Budget(max_calls=99), NO_REPORT)

    progress = await seen(session)

    assert progress.state == "succeeded"
    assert (progress.progress.calls, progress.budget.max_calls) == (18, 99)


async def test_a_run_that_pauses_again_at_once_is_shown_as_it_is_then(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    await play(session, math_league(3, budget=league_pb2.Budget(max_calls=4)), NO_REPORT)
    await run_actions.resume_run(session, NAME, league_pb2.Budget(max_calls=9), NO_REPORT)
    await watch(session, await get_run(session.connection, NAME))

    progress = await seen(session)
    run = await get_run(session.connection, NAME)

    assert progress.progress == run.progress
    assert (progress.progress.calls, progress.reason) == (9, run.state_reason)
    capsys.readouterr()

    assert await run_limits.limits(session, NAME, Change(max_calls=5), as_json=False) == (
        ExitStatus.OK
    )
    assert "mine stays paused: 9 of 5 calls are used." in capsys.readouterr().err


async def test_a_limit_below_what_is_used_is_told_to_pause_the_run(
    session: Session, script: LeagueScript, capsys: pytest.CaptureFixture[str]
) -> None:
    held = await _run_with_answers_held(session, script)

    await run_limits.limits(session, NAME, Change(max_calls=1), as_json=False)

    err = capsys.readouterr().err
    assert "mine pauses at once: " in err
    assert " of 1 call are used. Higher limits let it go on." in err
    held.let_go()


async def test_counts_at_a_pause_are_so_far_while_calls_are_under_way(
    session: Session, script: LeagueScript, capsys: pytest.CaptureFixture[str]
) -> None:
    held = await _run_with_answers_held(session, script)
    playing = asyncio.create_task(
        run_actions.watch_run(session, NAME, as_json=False), name="watching"
    )

    await run_actions.pause_run(session, NAME, as_json=False)

    assert await playing == ExitStatus.PAUSED
    assert "still under way: all counts are so far." in capsys.readouterr().err
    held.let_go()
    await eventually(lambda: not held.waiting)


async def test_replies_that_arrive_after_a_pause_are_counted_when_it_is_taken_up(
    session: Session, script: LeagueScript
) -> None:
    held = await _run_with_answers_held(session, script)
    await run_actions.pause_run(session, NAME, as_json=False)
    before = (await get_run(session.connection, NAME)).progress.done_steps
    held.let_go()

    async def arrived() -> None:
        while (await get_run(session.connection, NAME)).progress.done_steps == before:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)

    await asyncio.wait_for(arrived(), 120)

    assert (await seen(session)).progress.done_steps == before + 1
