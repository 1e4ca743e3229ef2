"""Several runs at one provider over the real server, and limits that change while they play."""

import asyncio
from collections import Counter
from pathlib import Path

from llm_crowdsourced.v1 import model_service_pb2 as pb
from llm_crowdsourced.v1 import result_service_pb2, run_pb2

from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create, run, until_state
from tests.support.scripted_league import Held, LeagueScript, eventually
from tests.support.wire import refused

RUN_HEADER = "x-llm-crowdsourced-run"


async def change(server: LeagueServer, **limits: int) -> pb.ProviderLimits:
    """Changes the limits of the provider."""
    request = pb.UpdateProviderLimitsRequest(
        provider="scripted", limits=pb.ProviderLimits(**limits)
    )
    return (await server.models.UpdateProviderLimits(request)).limits


async def provider(server: LeagueServer) -> pb.Provider:
    """Returns the provider as it stands."""
    return (await server.models.ListModels(pb.ListModelsRequest())).providers[0]


async def _until_under_way(server: LeagueServer, name: str, calls: int) -> None:
    """Waits until so many calls of a run are under way, those that wait for a place too."""
    request = result_service_pb2.GetLedgerRequest(name=name)
    async with asyncio.timeout(120):
        while (await server.results.GetLedger(request)).calls_under_way != calls:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_run_does_not_starve_another_at_its_provider(tmp_path: Path) -> None:
    """Both have far more calls waiting than there are places: they go in turns.

    As many questions wait from the start as are looked at, so that no disk is waited for.
    """
    held = Held(lambda _: True)
    script = LeagueScript(held)
    async with script.endpoint(latency_s=0.005) as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_concurrent_calls=4)
        async with league_server(settings) as server:
            league = math_league(4, rounds_per_participant=10, max_concurrent_calls=40)
            await server.runs.CreateRun(create(league, "early"))
            await eventually(lambda: held.waiting == 4)
            await server.runs.CreateRun(create(league, "late"))
            await until_state(server, run_pb2.Run.STATE_RUNNING, "runs/late")
            await _until_under_way(server, "runs/late", 40)
            held.let_go()
            await asyncio.gather(server.watch("runs/early"), server.watch("runs/late"))
            ended = [await run(server, f"runs/{name}") for name in ("early", "late")]
    assert [r.progress.ok_steps for r in ended] == [320, 320]
    assert endpoint.max_in_flight == 4
    order = [asked.request.headers[RUN_HEADER] for asked in script.asked]
    # 36 questions of one wait for places, and 40 of the other.
    begun = order.index("late")
    both = order[begun : begun + 60]
    shares = Counter(both)
    # Places are given in strict turns (see models/test_fairness.py); the calls under way at
    # either end of the stretch may arrive in any order.
    assert abs(shares["early"] - shares["late"]) <= endpoint.max_in_flight, shares
    assert all(set(both[at : at + 6]) == {"early", "late"} for at in range(len(both) - 6))


async def test_the_limits_of_a_provider_change_while_it_is_called(tmp_path: Path) -> None:
    held = Held(lambda _: True)
    script = LeagueScript(held)
    async with script.endpoint() as endpoint:
        settings = settings_for(
            endpoint, tmp_path / "a.duckdb", max_concurrent_calls=2, tokens_per_minute=10**9
        )
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(4, rounds_per_participant=3)))
            await eventually(lambda: held.waiting == 2)
            now = await provider(server)
            assert now.limits == pb.ProviderLimits(max_concurrent_calls=2, tokens_per_minute=10**9)
            assert (now.calls_under_way, now.concurrent_calls_now) == (2, 2)
            assert await change(server, max_concurrent_calls=7) == pb.ProviderLimits(
                max_concurrent_calls=7
            )
            await eventually(lambda: held.waiting == 7)
            # What was asked so far fills the minute.
            assert (await change(server, requests_per_minute=7)).max_concurrent_calls == 7
            held.let_go()
            await eventually(lambda: endpoint.in_flight == 0)
            assert len(script.asked) == 7
            await change(server, max_concurrent_calls=3)
            await server.watch("runs/math-1")
            ended = await run(server)
    assert ended.progress.ok_steps == ended.progress.calls == 96
    assert endpoint.max_in_flight == 7


async def test_limits_of_a_provider_that_is_not_there(tmp_path: Path) -> None:
    async with (
        LeagueScript().endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        limits = pb.ProviderLimits(max_concurrent_calls=1)
        missing = pb.UpdateProviderLimitsRequest(provider="other", limits=limits)
        assert (await refused(server.models.UpdateProviderLimits(missing))).reason == "NOT_FOUND"
        zero = pb.ProviderLimits(requests_per_minute=0)
        wrong = pb.UpdateProviderLimitsRequest(provider="scripted", limits=zero)
        assert (await refused(server.models.UpdateProviderLimits(wrong))).fields
