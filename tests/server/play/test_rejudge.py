"""Judging again: no new question or answer, and both sets of judgments stay."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from llm_crowdsourced.v1 import league_pb2, run_pb2, run_service_pb2

from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create, displays, is_in_state, marks, outcomes, rounds, run
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import Held, LeagueScript, eventually

SOURCE = "runs/math-1"


@pytest.fixture
def script() -> LeagueScript:
    """Answers of p2 in round 1 never come, and p3 sets no question."""
    refusal = ScriptedReply(text=None, refusal="no")
    bent = {"1/answer/p2", "3/question/p3"}
    return LeagueScript(lambda asked: refusal if asked.step in bent else None)


@pytest.fixture
async def server(tmp_path: Path, script: LeagueScript) -> AsyncIterator[LeagueServer]:
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as made,
    ):
        await made.play(create(math_league(4, seed=1)))
        script.asked.clear()
        yield made


def _again(**values: object) -> run_service_pb2.RejudgeRunRequest:
    return run_service_pb2.RejudgeRunRequest(
        name=SOURCE,
        run_id="again-1",
        **values,  # type: ignore[arg-type]
    )


async def test_only_judgments_are_asked_for_and_both_sets_stay(
    server: LeagueServer, script: LeagueScript
) -> None:
    before = await rounds(server)
    made = await server.runs.RejudgeRun(_again(seed=2))
    assert (made.run.name, made.run.source_run) == ("runs/again-1", SOURCE)
    await server.watch("runs/again-1")
    after = await rounds(server, "runs/again-1")
    assert {asked.role for asked in script.asked} == {"judgment"}
    assert len(script.asked) == 12
    assert await rounds(server) == before
    for old, new in zip(before, after, strict=True):
        assert old.question == new.question
        assert [(a.answerer, a.text) for a in old.answers] == [
            (a.answerer, a.text) for a in new.answers
        ]
    assert len(marks(after)) == len(marks(before))
    assert displays(after) != displays(before)
    assert outcomes(after) == outcomes(before)


async def test_the_sources_seed_shows_each_judge_the_same(server: LeagueServer) -> None:
    await server.runs.RejudgeRun(_again())
    await server.watch("runs/again-1")
    assert displays(await rounds(server, "runs/again-1")) == displays(await rounds(server))


async def test_judges_can_be_left_out_and_names_shown(
    server: LeagueServer, script: LeagueScript
) -> None:
    await server.runs.RejudgeRun(_again(judges=["p4"], identity=league_pb2.IDENTITY_NAMED))
    await server.watch("runs/again-1")
    assert {asked.participant for asked in script.asked} == {"p4"}
    found = marks(await rounds(server, "runs/again-1"))
    assert all(mark.label == mark.answerer for _, _, mark in found)
    ended = await run(server, "runs/again-1")
    assert ended.state == run_pb2.Run.STATE_SUCCEEDED
    assert list(ended.league.judges) == ["p4"]


async def test_judges_must_take_part(server: LeagueServer) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await server.runs.RejudgeRun(_again(judges=["p9"]))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "judges: p9 takes no part" in (refused.value.details() or "")


async def test_a_run_that_goes_on_cannot_be_judged_again(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(3)))
        await eventually(lambda: held.waiting == 3)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await server.runs.RejudgeRun(_again())
        held.let_go()
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        await server.watch(SOURCE)


async def test_the_same_request_is_taken_while_its_source_is_asked_again(
    server: LeagueServer, script: LeagueScript
) -> None:
    """What was true when the run was created need not be true any more."""
    script.bend = lambda asked: ScriptedReply(text="no") if "judgment" in asked.step else None
    await server.play(create(math_league(3), "math-2"))
    other = _again(request_id="6d8a2c3e-6f0e-4f0e-9f43-0c1f6a8f1b12")
    other.name, other.run_id = "runs/math-2", "again-2"
    first = await server.runs.RejudgeRun(other)
    held = Held(lambda asked: "judgment" in asked.step)
    script.bend = held
    await server.runs.RetryRun(run_service_pb2.RetryRunRequest(name="runs/math-2"))
    await eventually(lambda: held.waiting > 0)
    again = await server.runs.RejudgeRun(other)
    assert again.existed
    assert again.run.name == first.run.name
    other.request_id, other.run_id = "", "again-3"
    with pytest.raises(grpc.aio.AioRpcError, match="only a run that has succeeded") as refused:
        await server.runs.RejudgeRun(other)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    held.let_go()
    await is_in_state(server, run_pb2.Run.STATE_SUCCEEDED, "runs/math-2")
