"""Problems that nearly copy another: what is one does not depend on pauses."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import league_pb2, round_pb2, run_pb2, run_service_pb2

from tests.support.fake_runner import FakeRunner
from tests.support.league_server import LeagueServer, league_server, settings_for
from tests.support.programming_replies import ECHO, TEXTS, plain, programming_league, question
from tests.support.rounds import create, is_in_state, rounds
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, LeagueScript, eventually

NAME = "runs/math-1"
CRASHES = "raise SystemExit(1)\n"


async def _has_ended(server: LeagueServer, outcome: "round_pb2.Outcome.ValueType") -> None:
    """Waits until the question of round 1 has ended so."""
    async with asyncio.timeout(60):
        while (await rounds(server))[0].result.outcome != outcome:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("is_void", [True, False], ids=["void", "never came"])
async def test_a_question_that_was_not_played_is_copied_or_not_as_without_a_pause(
    tmp_path: Path, is_void: bool, paused: bool
) -> None:
    """A problem of a void round must not come again; one that was never asked to its end may."""
    go = asyncio.Event()

    async def copies() -> ScriptedReply:
        await go.wait()
        return question(TEXTS[0])

    def bend(asked: Asked) -> ScriptedReply | Awaitable[ScriptedReply]:
        if asked.step == "1/question/p1":
            crashes = question(TEXTS[0], CRASHES)
            return crashes if is_void or not asked.time else failure(500)
        if asked.step == "2/question/p2" and not asked.time:
            return copies()
        return plain(asked)

    script = LeagueScript(bend)
    league = programming_league(3)
    league.programming.question_gate = league_pb2.QUESTION_GATE_REQUIRE
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings, runner=FakeRunner()) as server:
            await server.runs.CreateRun(create(league))
            await eventually(lambda: script.times()["2/question/p2"] == 1)
            unusable = round_pb2.OUTCOME_UNPARSABLE if is_void else round_pb2.OUTCOME_UNAVAILABLE
            await _has_ended(server, unusable)
            if paused:
                await server.runs.PauseRun(run_service_pb2.PauseRunRequest(name=NAME))
                go.set()
                await eventually(lambda: endpoint.in_flight == 0)
                await server.runs.ResumeRun(run_service_pb2.ResumeRunRequest(name=NAME))
            go.set()
            await is_in_state(server, run_pb2.Run.STATE_SUCCEEDED)
            second = (await rounds(server))[1]
    assert second.result.outcome == round_pb2.OUTCOME_OK
    assert second.result.reasks == is_void
    assert second.question.text == TEXTS[1 if is_void else 0]


async def test_which_of_two_was_the_copy_is_the_same_after_a_pause(tmp_path: Path) -> None:
    """Round 2 had the problem first; on resumption the replies of round 1 are read before."""
    going = tmp_path / "going"
    waits = (
        f"import os, time\nwhile not os.path.exists({str(going)!r}):\n    time.sleep(0.01)\n{ECHO}"
    )

    async def copies() -> ScriptedReply:
        await eventually(lambda: script.times()["2/question/p2"] == 2, 60)
        return question(TEXTS[0])

    def bend(asked: Asked) -> ScriptedReply | Awaitable[ScriptedReply]:
        if asked.step == "1/question/p1":
            return question(TEXTS[1], waits) if asked.time else copies()
        if asked.step == "2/question/p2":
            return question(TEXTS[0], waits if asked.time else CRASHES)
        return plain(asked)

    script = LeagueScript(bend)
    runner = FakeRunner()
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings, runner=runner) as server:
            await server.runs.CreateRun(create(programming_league(3)))
            # Both mended problems are checked, twice each at once.
            await runner.until(
                lambda: sum(job.program.source == waits for job in runner.begun) == 4
            )
            await server.runs.PauseRun(run_service_pb2.PauseRunRequest(name=NAME))
            going.touch()
            await server.runs.ResumeRun(run_service_pb2.ResumeRunRequest(name=NAME))
            await is_in_state(server, run_pb2.Run.STATE_SUCCEEDED)
            first, second, _ = await rounds(server)
    times = script.times()
    assert (times.pop("1/question/p1"), times.pop("2/question/p2")) == (2, 2)
    assert set(times.values()) == {1}
    assert (first.question.text, first.result.reasks) == (TEXTS[1], 1)
    assert "nearly the same" in first.result.detail
    assert (second.question.text, second.question.check.repairs) == (TEXTS[0], 1)
