"""A fake server and a session with it; a real one whose sandbox is of the tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from client.connection import Target, connect
from client.interrupts import Interrupts
from client.session import Session
from server.app import serving as really_serving
from server.settings import ServerSettings, Settings
from tests.support.execute_script import Execute
from tests.support.fake_runner import FakeRunner
from tests.support.fake_service import FakeService, serving
from tests.support.files import write
from tests.support.server_process import Ended, run_script


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def session(service: FakeService) -> AsyncIterator[Session]:
    async with serving(service) as address:
        target = Target(server=address)
        async with connect(target) as connection:
            yield Session(connection=connection, target=target, interrupts=Interrupts())


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


@pytest.fixture
async def address(tmp_path: Path, runner: FakeRunner) -> AsyncIterator[str]:
    settings = Settings(
        server=ServerSettings(address="127.0.0.1:0", database=tmp_path / "a.duckdb", grace_s=1)
    )
    async with really_serving(settings, playing=False, runner=runner) as server:
        yield server.address


@pytest.fixture
def execute(tmp_path: Path, address: str) -> Execute:
    """Runs the script in a folder with some files, against the server."""

    async def run(*arguments: str | Path, **files: str | bytes) -> Ended:
        write(tmp_path, **files)
        return await run_script("execute", *arguments, "--server", address, cwd=tmp_path)

    return run
