"""A run at two providers: one that wants to be left alone does not hold up the other's calls."""

from pathlib import Path

import pytest
from llm_crowdsourced.v1 import run_pb2

from server.settings import ProviderSettings
from tests.support.league_server import league_server, math_league, settings_for
from tests.support.rounds import create, is_in_state, run
from tests.support.scripted_endpoint import failure
from tests.support.scripted_league import Held, LeagueScript, eventually

# Of six participants, half are at each provider: their questions, and answers to each other's.
_ALONE = 3 * 4 * 3


@pytest.mark.parametrize("why", ["throttled", "slow"])
async def test_calls_to_a_healthy_provider_go_on(tmp_path: Path, why: str) -> None:
    held = Held(lambda _: True)
    throttled = failure(429, headers={"Retry-After": "250"})
    sick = LeagueScript((lambda _: throttled) if why == "throttled" else held)
    healthy = LeagueScript()
    async with healthy.endpoint() as good, sick.endpoint() as bad:
        settings = settings_for(good, tmp_path / "a.duckdb")
        other = ProviderSettings(base_url=bad.base_url, max_concurrent_calls=1)
        settings = settings.model_copy(update={"providers": {**settings.providers, "sick": other}})
        league = math_league(6, rounds_per_participant=4, max_concurrent_calls=3)
        for participant in league.participants[:3]:
            participant.provider = "sick"
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(league))
            await eventually(lambda: len(healthy.asked) == _ALONE)
            assert (await run(server)).state == run_pb2.Run.STATE_RUNNING
            assert len(sick.asked) == 1
            if why == "slow":
                held.let_go()
                await is_in_state(server, run_pb2.Run.STATE_SUCCEEDED)
    assert good.max_in_flight <= 3
