"""A server over a database of its own, its models played along."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.league_server import LeagueServer, league_server, settings_for
from tests.support.scripted_league import LeagueScript


@pytest.fixture
def script() -> LeagueScript:
    return LeagueScript()


@pytest.fixture
async def server(tmp_path: Path, script: LeagueScript) -> AsyncIterator[LeagueServer]:
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "league.duckdb")) as made,
    ):
        yield made
