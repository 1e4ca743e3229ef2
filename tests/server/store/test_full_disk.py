"""A full disk: writes wait, nothing that was asked for is given up."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import run_pb2, run_service_pb2

from tests.support.league_replies import play_along
from tests.support.league_server import league_server, math_league, settings_for
from tests.support.scripted_endpoint import ScriptedEndpoint


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB that is nearly full of one file, `filler`."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("making a small disk needs the right to mount")
    (disk / "filler").write_bytes(b"x" * 6_500_000)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_a_run_waits_for_room_and_goes_on(small_disk: Path) -> None:
    async with ScriptedEndpoint(play_along, models=[f"model-{i}" for i in range(1, 7)]) as endpoint:
        settings = settings_for(endpoint, small_disk / "league.duckdb", stream=False)
        async with league_server(settings) as server:
            league = math_league(6, rounds_per_participant=8)
            request = run_service_pb2.CreateRunRequest(run_id="waits", league=league)
            await server.runs.CreateRun(request)
            asked = run_service_pb2.GetRunRequest(name="runs/waits")
            async with asyncio.timeout(60):
                # A full disk announces nothing: it has to be looked for.
                while "full" not in (await server.runs.GetRun(asked)).run.state_reason:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            sent = len(endpoint.requests)
            assert sent < 2 * 6**2 * 8
            os.truncate(small_disk / "filler", 0)
            events = await server.watch("runs/waits")
            run = (await server.runs.GetRun(asked)).run
    assert run.state == run_pb2.Run.STATE_SUCCEEDED
    # No call was made twice, and no number is missing among the events.
    assert run.progress.calls == len(endpoint.requests) == 2 * 6**2 * 8
    assert [m.event.sequence for m in events] == list(range(1, len(events) + 1))
