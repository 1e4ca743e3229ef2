"""Limits of a run change while it plays, at once."""

from pathlib import Path

import grpc
import pytest
from llm_crowdsourced.v1 import league_pb2, run_pb2, run_service_pb2

from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create, is_in_state, run
from tests.support.scripted_league import Held, LeagueScript, eventually

NAME = "runs/math-1"
SUCCEEDED = run_pb2.Run.STATE_SUCCEEDED
PAUSED = run_pb2.Run.STATE_PAUSED


def _limits(
    at_once: int | None = None, budget: league_pb2.Budget | None = None
) -> run_service_pb2.UpdateRunLimitsRequest:
    return run_service_pb2.UpdateRunLimitsRequest(
        name=NAME, budget=budget, max_concurrent_calls=at_once
    )


async def _refused(server: LeagueServer, request: run_service_pb2.UpdateRunLimitsRequest) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await server.runs.UpdateRunLimits(request)
    return f"{refused.value.code().name}: {refused.value.details()}"


async def test_more_and_fewer_calls_at_once_hold_at_once(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with (
        script.endpoint(latency_s=0.005) as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(6, max_concurrent_calls=1)))
        await eventually(lambda: held.waiting == 1)
        changed = (await server.runs.UpdateRunLimits(_limits(4))).run
        assert changed.league.max_concurrent_calls == 4
        await eventually(lambda: held.waiting == 4)
        await server.runs.UpdateRunLimits(_limits(2))
        # Those under way stay, and from here on never more than two are.
        held.let_go()
        await eventually(lambda: endpoint.in_flight <= 2)
        endpoint.max_in_flight = 0
        ended = await is_in_state(server, SUCCEEDED)
        events = [message.event for message in await server.watch(NAME)]
    assert endpoint.max_in_flight == 2
    assert ended.league.max_concurrent_calls == 2
    told = [e.run_limits_changed for e in events if e.HasField("run_limits_changed")]
    assert [limits.max_concurrent_calls for limits in told] == [4, 2]
    assert set(script.times().values()) == {1}


async def test_a_larger_budget_lets_a_waiting_run_go_on(tmp_path: Path) -> None:
    """Two calls fill the budget; raised before they are back, the run never pauses."""
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        league = math_league(4, budget=league_pb2.Budget(max_tokens=2000))
        for participant in league.participants:
            participant.max_output_tokens = 500
        await server.runs.CreateRun(create(league))
        await eventually(lambda: held.waiting > 0)
        first = held.waiting
        assert first < 4
        await server.runs.UpdateRunLimits(_limits(budget=league_pb2.Budget(max_tokens=10**6)))
        await eventually(lambda: held.waiting == 4)
        held.let_go()
        ended = await is_in_state(server, SUCCEEDED)
        events = [message.event for message in await server.watch(NAME)]
    assert ended.league.budget.max_tokens == 10**6
    assert ended.league.max_concurrent_calls == 64
    states = [e.run_state_changed.state for e in events if e.HasField("run_state_changed")]
    assert PAUSED not in states


async def test_a_budget_raised_while_the_last_calls_arrive_is_played_on(tmp_path: Path) -> None:
    """The budget is reached and calls are under way: raised now, the run does not pause."""
    held = Held(lambda asked: asked.step in {"1/question/p1", "2/question/p2"})
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(4, budget=league_pb2.Budget(max_calls=8))))
        await eventually(lambda: len(script.asked) == 8 and endpoint.in_flight == 2)
        await server.runs.UpdateRunLimits(_limits(budget=league_pb2.Budget()))
        held.let_go()
        await is_in_state(server, SUCCEEDED)
        events = [message.event for message in await server.watch(NAME)]
    states = [e.run_state_changed.state for e in events if e.HasField("run_state_changed")]
    assert PAUSED not in states
    assert set(script.times().values()) == {1}


async def test_a_smaller_budget_pauses_the_run(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(4)))
        await eventually(lambda: held.waiting == 4)
        await server.runs.UpdateRunLimits(_limits(budget=league_pb2.Budget(max_calls=2)))
        held.let_go()
        paused = await is_in_state(server, PAUSED)
        assert paused.state_reason.startswith("the budget of 2 calls is reached")
        assert len(script.asked) == 4
        # Limits of a paused run are there when it is resumed.
        await server.runs.UpdateRunLimits(_limits(3, league_pb2.Budget(max_calls=32)))
        assert (await run(server)).state == PAUSED
        endpoint.max_in_flight = 0
        await server.runs.ResumeRun(run_service_pb2.ResumeRunRequest(name=NAME))
        ended = await is_in_state(server, SUCCEEDED)
    assert ended.progress.calls == len(script.asked) == 32
    assert endpoint.max_in_flight <= 3


async def test_limits_that_cannot_be_kept_are_refused(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        dollars = _limits(budget=league_pb2.Budget(max_cost_usd=1))
        assert "NOT_FOUND" in await _refused(server, dollars)
        league = math_league(3)
        for participant in league.participants:
            participant.max_output_tokens = 500
        await server.runs.CreateRun(create(league))
        said = await _refused(server, dollars)
        assert "INVALID_ARGUMENT" in said
        assert "the price of every model" in said
        assert "INVALID_ARGUMENT" in await _refused(server, _limits(0))
        assert not (await run(server)).league.budget.HasField("max_cost_usd")
        held.let_go()
        await is_in_state(server, SUCCEEDED)
        assert "FAILED_PRECONDITION" in await _refused(server, _limits(4))
