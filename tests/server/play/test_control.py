"""Pause, resume, cancel, budget: nothing is lost, and no finished step is asked again."""

from pathlib import Path

import pytest
from llm_crowdsourced.v1 import league_pb2, run_pb2, run_service_pb2

from server.settings import ModelSettings
from tests.support.league_server import league_server, math_league, settings_for
from tests.support.rounds import calls, create, marks, outcomes, rounds, run, until_state
from tests.support.scripted_league import Held, LeagueScript, eventually

NAME = "runs/math-1"
PAUSE = run_service_pb2.PauseRunRequest(name=NAME)
RESUME = run_service_pb2.ResumeRunRequest(name=NAME)
CANCEL = run_service_pb2.CancelRunRequest(name=NAME)


async def test_pause_lets_calls_arrive_and_resume_plays_what_is_left(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.role == "answer" and asked.round == 1)
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(4)))
        await eventually(lambda: held.waiting == 3)
        paused = (await server.runs.PauseRun(PAUSE)).run
        assert paused.state == run_pb2.Run.STATE_PAUSED
        assert paused.state_reason == "paused on request"
        # Paused again is paused.
        assert (await server.runs.PauseRun(PAUSE)).run.state == run_pb2.Run.STATE_PAUSED
        # What else was under way has come; the three still are.
        await eventually(lambda: endpoint.in_flight == 3)
        sent = len(script.asked)
        held.let_go()
        await eventually(lambda: endpoint.in_flight == 0)
        resumed = (await server.runs.ResumeRun(RESUME)).run
        assert resumed.state == run_pb2.Run.STATE_RUNNING
        await server.watch(NAME)
        ended = await run(server)
        played = await rounds(server)
        kept = await calls(server)
    assert sent < 32
    # The held answers came while it was paused, and were not asked for again.
    assert set(script.times().values()) == {1}
    assert len(script.asked) == len(kept) == ended.progress.calls == 32
    assert ended.state == run_pb2.Run.STATE_SUCCEEDED
    assert len(marks(played)) == 36


async def test_a_paused_run_sends_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(3)))
        await eventually(lambda: held.waiting == 3)
        await server.runs.PauseRun(PAUSE)
        held.let_go()
        # The three questions are kept, and nothing follows from them.
        await eventually(lambda: endpoint.in_flight == 0)
        await server.runs.ResumeRun(RESUME)
        await server.watch(NAME)
        played = await rounds(server)
    assert [asked.role for asked in script.asked[:4]] == ["question"] * 3 + ["answer"]
    assert set(script.times().values()) == {1}
    assert outcomes(played)["judgment OK"] == 9


async def test_cancel_keeps_what_there_is_and_is_final(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.role == "judgment")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(3)))
        await eventually(lambda: held.waiting == 9)
        cancelled = (await server.runs.CancelRun(CANCEL)).run
        assert cancelled.state in {run_pb2.Run.STATE_CANCELLING, run_pb2.Run.STATE_CANCELLED}
        events = await server.watch(NAME)
        ended = await run(server)
        played = await rounds(server)
        held.let_go()
    assert events[-1].event.run_state_changed.state == run_pb2.Run.STATE_CANCELLED
    assert ended.state == run_pb2.Run.STATE_CANCELLED
    assert ended.HasField("end_time")
    assert outcomes(played) == {"question OK": 3, "answer OK": 6, "judgment UNSPECIFIED": 9}
    assert len(script.asked) == 18


async def test_a_paused_run_can_be_cancelled(tmp_path: Path) -> None:
    script = LeagueScript()
    league = math_league(3, budget=league_pb2.Budget(max_calls=2))
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(league))
        await until_state(server, run_pb2.Run.STATE_PAUSED)
        assert (await server.runs.CancelRun(CANCEL)).run.state == run_pb2.Run.STATE_CANCELLED
        await server.watch(NAME)


async def test_a_budget_of_calls_pauses_the_run_and_more_goes_on(tmp_path: Path) -> None:
    script = LeagueScript()
    league = math_league(4, budget=league_pb2.Budget(max_calls=10))
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(league))
        reason = await until_state(server, run_pb2.Run.STATE_PAUSED)
        assert reason == "the budget of 10 calls is reached (10 used)"
        paused = await run(server)
        assert (paused.state_reason, paused.progress.calls) == (reason, 10)
        assert len(script.asked) == 10
        request = run_service_pb2.ResumeRunRequest(
            name=NAME, budget=league_pb2.Budget(max_calls=32)
        )
        assert (await server.runs.ResumeRun(request)).run.league.budget.max_calls == 32
        await server.watch(NAME)
        ended = await run(server)
    assert ended.state == run_pb2.Run.STATE_SUCCEEDED
    assert set(script.times().values()) == {1}
    assert len(script.asked) == 32


async def test_resumed_without_more_a_run_pauses_again(tmp_path: Path) -> None:
    script = LeagueScript()
    league = math_league(3, budget=league_pb2.Budget(max_calls=5))
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(league))
        await until_state(server, run_pb2.Run.STATE_PAUSED)
        await server.runs.ResumeRun(RESUME)
        stream = server.runs.WatchRun(run_service_pb2.WatchRunRequest(name=NAME))
        states = []
        async for message in stream:
            if message.event.HasField("run_state_changed"):
                states.append(message.event.run_state_changed.state)
            if states.count(run_pb2.Run.STATE_PAUSED) == 2:
                break
        stream.cancel()
    assert len(script.asked) == 5


@pytest.mark.parametrize(
    "budget",
    [league_pb2.Budget(max_tokens=20_000), league_pb2.Budget(max_cost_usd=0.02)],
    ids=["tokens", "cost"],
)
async def test_a_budget_of_tokens_or_cost_is_never_passed(
    tmp_path: Path, budget: league_pb2.Budget
) -> None:
    """Each reply costs far less than it might, so some of the budget stays unused."""
    script = LeagueScript()
    prices = ModelSettings(prompt_usd_per_million=1, completion_usd_per_million=1)
    league = math_league(6, budget=budget)
    for participant in league.participants:
        participant.max_output_tokens = 400
    async with script.endpoint(latency_s=0.002) as endpoint:
        models = {participant.model: prices for participant in league.participants}
        settings = settings_for(endpoint, tmp_path / "a.duckdb", models=models)
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(league))
            reason = await until_state(server, run_pb2.Run.STATE_PAUSED)
            progress = (await run(server)).progress
            assert "is reached" in reason
            used = progress.prompt_tokens + progress.completion_tokens
            # At the prices above a dollar is a million tokens: both limits are the same.
            assert 0 < used <= 20_000
            assert progress.cost_usd == pytest.approx(used / 1e6)
            request = run_service_pb2.ResumeRunRequest(name=NAME, budget=league_pb2.Budget())
            await server.runs.ResumeRun(request)
            await server.watch(NAME)
    assert set(script.times().values()) == {1}
    assert len(script.asked) == 72
