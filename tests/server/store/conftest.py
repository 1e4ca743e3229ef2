"""A store over a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.store.store import Store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "league.duckdb"


@pytest.fixture
async def store(database: Path) -> AsyncIterator[Store]:
    with Store(database) as opened:
        yield opened
