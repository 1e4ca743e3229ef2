"""What failed is asked once more at the user's word, and nothing else; what it was stays."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from llm_crowdsourced.v1 import (
    event_pb2,
    league_pb2,
    result_service_pb2,
    round_pb2,
    run_pb2,
    run_service_pb2,
)

from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import calls, create, is_in_state, marks, outcomes, rounds, run
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, Held, LeagueScript, eventually

NAME = "runs/math-1"
RETRY = run_service_pb2.RetryRunRequest(name=NAME)
SUCCEEDED = run_pb2.Run.STATE_SUCCEEDED
UNREADABLE = ScriptedReply(text="I have no opinion.")


def failing(asked: Asked) -> ScriptedReply | None:
    """An answer and a question that do not arrive, and a judgment that cannot be read."""
    if asked.step in {"1/answer/p2", "3/question/p3"}:
        return failure(503, "overloaded")
    return UNREADABLE if asked.step == "2/judgment/p4" else None


async def _play_failing(server: LeagueServer) -> run_pb2.Run:
    await server.runs.CreateRun(create(math_league(4)))
    return await is_in_state(server, SUCCEEDED)


async def _events(server: LeagueServer, wanted: int) -> list[event_pb2.RunEvent]:
    """Returns the first events of a run."""
    found = []
    stream = server.runs.WatchRun(run_service_pb2.WatchRunRequest(name=NAME))
    async for message in stream:
        if message.HasField("event"):
            found.append(message.event)
        if len(found) == wanted:
            break
    stream.cancel()
    return found


async def test_only_what_failed_is_asked_again(tmp_path: Path) -> None:
    script = LeagueScript(failing)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            before = await _play_failing(server)
            first = await calls(server)
            script.bend = None
            asked = len(script.asked)
            again = await server.runs.RetryRun(RETRY)
            # The void round's three answers and four judgments had been skipped.
            assert (again.reopened_steps, again.unskipped_steps) == (3, 7)
            assert again.run.state == run_pb2.Run.STATE_RUNNING
            assert not again.run.HasField("end_time")
            after = await is_in_state(server, SUCCEEDED)
            played = await rounds(server)
            made = await calls(server)
            events = await _events(server, 1 + 1 + 32 + 1 + 2)
    assert before.progress.failed_steps == 3
    assert (after.progress.failed_steps, after.progress.done_steps) == (0, 32)
    assert {a.step for a in script.asked[asked:]} == {
        "1/answer/p2",
        "2/judgment/p4",
        *(f"3/{step}" for step in ("question/p3", "answer/p1", "answer/p2", "answer/p4")),
        *(f"3/judgment/p{number}" for number in range(1, 5)),
    }
    # One asking each: the first request again, and not the one with a reason.
    assert len(script.asked) - asked == 10
    # What was paid for before is on record as it was.
    assert made[: len(first)] == first
    numbers = [(c.round, c.role, c.participant, c.ask, c.attempt) for c in made]
    assert len(set(numbers)) == len(numbers)
    judgment = [c for c in made if (c.round, c.role, c.participant) == (2, 3, "p4")]
    assert [c.ask for c in judgment] == [0, 1, 2, 3]
    assert judgment[3].prompt == judgment[0].prompt != judgment[1].prompt
    result = next(j.result for j in played[1].judgments if j.judge == "p4")
    assert (result.outcome, result.reasks, result.calls) == (round_pb2.OUTCOME_OK, 0, 4)
    assert outcomes(played) == {"question OK": 4, "answer OK": 12, "judgment OK": 16}
    # The late answer came after its judges had judged: 3 marks of 36 are missing.
    assert len(marks(played)) == after.progress.marks == 33
    reopened = next(e.steps_reopened for e in events if e.HasField("steps_reopened"))
    assert [(s.round, s.participant, s.outcome, s.cause) for s in reopened.steps][:3] == [
        (1, "p2", round_pb2.OUTCOME_UNAVAILABLE, "server_error"),
        (2, "p4", round_pb2.OUTCOME_UNPARSABLE, reopened.steps[1].cause),
        (3, "p3", round_pb2.OUTCOME_UNAVAILABLE, "server_error"),
    ]
    assert len(reopened.steps) == 10
    assert [e.sequence for e in events] == list(range(1, len(events) + 1))


async def test_a_late_answer_is_seen_by_open_judgments_alone(tmp_path: Path) -> None:
    """Without p2's answer, p1 and p3 have judged; p4 comes to it with the answer."""

    def bend(asked: Asked) -> ScriptedReply | None:
        failed = asked.step in {"1/answer/p2", "1/judgment/p4"}
        return failure(503, "overloaded") if failed else None

    script = LeagueScript(bend)
    held = Held(lambda asked: asked.step == "1/answer/p2")
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            await _play_failing(server)
            script.bend = held
            await server.runs.RetryRun(RETRY)
            await eventually(lambda: held.waiting == 1)
            held.let_go()
            await is_in_state(server, SUCCEEDED)
            played = await rounds(server)
    shown = {j.judge: sorted(m.answerer for m in j.marks) for j in played[0].judgments}
    assert shown == {"p1": ["p3", "p4"], "p2": ["p3", "p4"], "p3": ["p4"], "p4": ["p2", "p3"]}


async def test_what_fails_again_can_be_asked_again(tmp_path: Path) -> None:
    script = LeagueScript(failing)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            await _play_failing(server)
            for _ in range(2):
                assert (await server.runs.RetryRun(RETRY)).reopened_steps == 3
                assert (await is_in_state(server, SUCCEEDED)).progress.failed_steps == 3
            script.bend = None
            assert (await server.runs.RetryRun(RETRY)).reopened_steps == 3
            ended = await is_in_state(server, SUCCEEDED)
            again = await server.runs.RetryRun(RETRY)
            # Nothing is left to ask: nothing changes.
            assert (again.reopened_steps, again.unskipped_steps) == (0, 0)
            assert again.run == ended
            made = await calls(server)
    judgment = [c for c in made if (c.round, c.role, c.participant) == (2, 3, "p4")]
    assert [c.ask for c in judgment] == list(range(10))
    answer = [c for c in made if (c.round, c.role, c.participant) == (1, 2, "p2")]
    assert [(c.ask, c.attempt) for c in answer] == [(0, 0), (1, 0), (2, 0), (3, 0)]
    assert ended.progress.failed_steps == 0


async def test_a_retry_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Its server stops while the first try of the retry has been read in vain."""
    script = LeagueScript(failing)
    database = tmp_path / "a.duckdb"
    held = Held(lambda asked: asked.step in {"1/answer/p2", "2/judgment/p4"})

    def bend(asked: Asked) -> ScriptedReply | Awaitable[ScriptedReply] | None:
        first_try = asked.step == "2/judgment/p4" and asked.time == 3
        return UNREADABLE if first_try else held(asked)

    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, database, max_retries=0)
        settings = settings.model_copy(
            update={"server": settings.server.model_copy(update={"grace_s": 0.1})}
        )
        async with league_server(settings) as server:
            await _play_failing(server)
            script.bend = bend
            await server.runs.RetryRun(RETRY)
            await eventually(lambda: held.waiting == 2)
        held.let_go()
        script.bend = None
        asked = len(script.asked)
        async with league_server(settings) as server:
            ended = await is_in_state(server, SUCCEEDED)
            made = await calls(server)
    assert ended.progress.failed_steps == 0
    assert {a.step for a in script.asked[asked:]} >= {"1/answer/p2", "2/judgment/p4"}
    judgment = [c for c in made if (c.round, c.role, c.participant) == (2, 3, "p4")]
    # Asked three times at first, once in vain by the retry, cut by the stop, and read.
    assert [(c.ask, c.attempt) for c in judgment][-3:] == [(3, 0), (4, 0), (4, 1)]
    assert judgment[-1].outcome == round_pb2.OUTCOME_OK


async def test_who_was_given_up_is_asked_again(tmp_path: Path) -> None:
    """p2's key was refused from round 2 on; then it has been mended."""

    def bend(asked: Asked) -> ScriptedReply | None:
        refused = asked.participant == "p2" and asked.round >= 2
        return failure(401, "Incorrect API key provided.") if refused else None

    script = LeagueScript(bend)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        before = await _play_failing(server)
        script.bend = None
        again = await server.runs.RetryRun(RETRY)
        await is_in_state(server, SUCCEEDED)
        played = await rounds(server)
    # A question, two answers and two judgments at least; the void round is the second.
    assert again.reopened_steps == before.progress.failed_steps >= 5
    assert again.unskipped_steps == 7
    assert outcomes(played) == {"question OK": 4, "answer OK": 12, "judgment OK": 16}


async def test_a_paused_run_is_set_going_with_its_budget(tmp_path: Path) -> None:
    script = LeagueScript(failing)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            league = math_league(4, budget=league_pb2.Budget(max_calls=24))
            await server.runs.CreateRun(create(league))
            await is_in_state(server, run_pb2.Run.STATE_PAUSED)
            script.bend = None
            request = run_service_pb2.RetryRunRequest(
                name=NAME, budget=league_pb2.Budget(max_calls=100)
            )
            assert (await server.runs.RetryRun(request)).run.league.budget.max_calls == 100
            ended = await is_in_state(server, SUCCEEDED)
    assert ended.progress.failed_steps == 0
    assert ended.progress.calls == len(script.asked)


async def _cancelled(server: LeagueServer) -> None:
    await server.runs.CancelRun(run_service_pb2.CancelRunRequest(name=NAME))
    await is_in_state(server, run_pb2.Run.STATE_CANCELLED)


async def _running(server: LeagueServer) -> None:
    await is_in_state(server, run_pb2.Run.STATE_RUNNING)


@pytest.mark.parametrize(
    ("bring", "cure"),
    [(_running, "pause it first"), (_cancelled, "only a run that has succeeded")],
    ids=["running", "cancelled"],
)
async def test_states_that_cannot_be_asked_again(
    tmp_path: Path, bring: Callable[[LeagueServer], Awaitable[None]], cure: str
) -> None:
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(3)))
        await bring(server)
        with pytest.raises(grpc.aio.AioRpcError, match=cure) as refused:
            await server.runs.RetryRun(RETRY)
        held.let_go()
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_judging_again_has_what_the_retry_brought(tmp_path: Path) -> None:
    """The source's late answer is judged by everyone; an export has what it had been."""
    script = LeagueScript(failing)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            await _play_failing(server)
            script.bend = None
            await server.runs.RetryRun(RETRY)
            await is_in_state(server, SUCCEEDED)
            request = run_service_pb2.RejudgeRunRequest(name=NAME, run_id="again-1")
            await server.runs.RejudgeRun(request)
            await is_in_state(server, SUCCEEDED, "runs/again-1")
            judged = await rounds(server, "runs/again-1")
            export = server.results.ExportRun(result_service_pb2.ExportRunRequest(name=NAME))
            tables = {piece.table async for piece in export}
            assert (await run(server, "runs/again-1")).progress.marks == 36
    assert len(marks(judged)) == 36
    assert "retried_step" in tables
