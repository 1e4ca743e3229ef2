"""Places at a provider: a run that waits for something else holds none; more places, more calls."""

from pathlib import Path

from llm_crowdsourced.v1 import (
    league_pb2,
    model_service_pb2,
    result_service_pb2,
    run_pb2,
    run_service_pb2,
)

from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import calls, create, is_in_state, run
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, Held, LeagueScript, eventually

NAME = "runs/math-1"
SUCCEEDED = run_pb2.Run.STATE_SUCCEEDED
PAUSED = run_pb2.Run.STATE_PAUSED
RUN_HEADER = "x-llm-crowdsourced-run"


async def _change(server: LeagueServer, **limits: int) -> None:
    await server.models.UpdateProviderLimits(
        model_service_pb2.UpdateProviderLimitsRequest(
            provider="scripted", limits=model_service_pb2.ProviderLimits(**limits)
        )
    )


def _league(tokens: int, budget: int | None = None) -> league_pb2.League:
    """Returns a league whose completions may take so many tokens; they take some hundred."""
    league = math_league(4, budget=league_pb2.Budget(max_tokens=budget))
    for participant in league.participants:
        participant.max_output_tokens = tokens
    return league


async def _ledger(server: LeagueServer) -> result_service_pb2.GetLedgerResponse:
    return await server.results.GetLedger(result_service_pb2.GetLedgerRequest(name=NAME))


async def test_more_places_are_more_calls_at_the_endpoint(tmp_path: Path) -> None:
    """Far more than the connections that the first limit needed."""
    held = Held(lambda asked: asked.role == "answer")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(
            settings_for(endpoint, tmp_path / "a.duckdb", max_concurrent_calls=1)
        ) as server,
    ):
        await server.runs.CreateRun(create(math_league(8)))
        await eventually(lambda: held.waiting == 1)
        await _change(server, max_concurrent_calls=40)
        await eventually(lambda: held.waiting == 40)
        held.let_go()
        await is_in_state(server, SUCCEEDED)
    assert endpoint.max_in_flight == 40


async def test_a_run_near_its_budget_leaves_the_places_to_others(tmp_path: Path) -> None:
    """One of its calls fits at a time, and is held: another run is played to its end."""
    held = Held(lambda asked: asked.request.headers[RUN_HEADER] == "tight")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(
            settings_for(endpoint, tmp_path / "a.duckdb", max_concurrent_calls=2)
        ) as server,
    ):
        await server.runs.CreateRun(create(_league(14_000, 27_000), "tight"))
        await eventually(lambda: held.waiting == 1)
        await server.runs.CreateRun(create(math_league(4)))
        await is_in_state(server, SUCCEEDED)
        assert held.waiting == 1
        held.let_go()
        await server.watch("runs/tight")
        tight = await run(server, "runs/tight")
    assert (tight.state, tight.progress.calls) == (SUCCEEDED, 32)


async def test_who_waits_for_a_minute_does_not_pause_its_run(tmp_path: Path) -> None:
    """Calls that have their share of the budget and no place keep the others waiting, no more."""
    script = LeagueScript()
    async with (
        script.endpoint() as endpoint,
        league_server(
            settings_for(endpoint, tmp_path / "a.duckdb", requests_per_minute=3)
        ) as server,
    ):
        await server.runs.CreateRun(create(_league(6000, 20_000)))
        await eventually(lambda: len(script.asked) == 3 and endpoint.in_flight == 0)
        waiting = await _ledger(server)
        assert (await run(server)).state == run_pb2.Run.STATE_RUNNING
        assert len(script.asked) == 3
        await _change(server, max_concurrent_calls=16)
        events = [message.event for message in await server.watch(NAME)]
        ended = await run(server)
    assert 0 < waiting.reserved_tokens <= 20_000
    states = [e.run_state_changed.state for e in events if e.HasField("run_state_changed")]
    assert PAUSED not in states
    assert (ended.state, ended.progress.calls, len(script.asked)) == (SUCCEEDED, 32, 32)


async def test_a_run_that_stops_gives_back_what_only_waits(tmp_path: Path) -> None:
    held = Held(lambda _: True)
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(
            settings_for(endpoint, tmp_path / "a.duckdb", max_concurrent_calls=1)
        ) as server,
    ):
        await server.runs.CreateRun(create(_league(1000)))
        await eventually(lambda: held.waiting == 1)
        before = await _ledger(server)
        await server.runs.PauseRun(run_service_pb2.PauseRunRequest(name=NAME))
        after = await _ledger(server)
        held.let_go()
        await is_in_state(server, PAUSED)
    assert before.calls_under_way == 4
    assert after.calls_under_way == 1
    assert 1000 < after.reserved_tokens < 0.3 * before.reserved_tokens
    assert len(script.asked) == 1


async def test_a_budget_counts_the_worst_of_what_broke_off(tmp_path: Path) -> None:
    """The usage of a first piece, and a gateway that gave up waiting, say nothing of the rest."""

    def bend(asked: Asked) -> ScriptedReply | None:
        if asked.step == "1/answer/p2":
            return failure(504, "upstream request timeout")
        if asked.step == "1/answer/p3":
            piece = '{"choices": [{"delta": {"content": "a"}}], "usage": %s}'
            usage = '{"prompt_tokens": 10, "completion_tokens": 1}'
            return ScriptedReply(body=f"data: {piece % usage}\n\n")
        return failure(503, "overloaded") if asked.step == "1/answer/p4" else None

    script = LeagueScript(bend)
    async with (
        script.endpoint() as endpoint,
        league_server(
            settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0, stream=True)
        ) as server,
    ):
        await server.runs.CreateRun(create(_league(5000)))
        await is_in_state(server, SUCCEEDED)
        kept = {call.http_status: call for call in await calls(server) if call.cause}
    assert {status: call.cause for status, call in kept.items()} == {
        504: "server_error",
        200: "connection_lost",
        503: "server_error",
    }
    # What was told stays on record as it was told.
    assert (kept[200].usage.prompt_tokens, kept[200].usage.completion_tokens) == (10, 1)
    assert 5000 < kept[504].charged_tokens < 7000
    assert 5000 < kept[200].charged_tokens < 7000
    assert kept[503].charged_tokens == 0
