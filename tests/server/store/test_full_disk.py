"""A full disk: writes wait and say so, changes are refused in time, and nothing is lost."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from llm_crowdsourced.v1 import run_pb2, run_service_pb2

from server.rpc.run_service import RunServicer
from server.settings import Settings
from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create, run
from tests.support.scripted_endpoint import ScriptedEndpoint
from tests.support.scripted_league import LeagueScript
from tests.support.wire import refused

NAME = "runs/math-1"
LEAGUE = math_league(6, rounds_per_participant=16)
CALLS = 2 * 6**2 * 16
RUN = run_pb2.Run


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


@pytest.fixture
def script() -> LeagueScript:
    return LeagueScript()


@pytest.fixture
async def endpoint(script: LeagueScript) -> AsyncIterator[ScriptedEndpoint]:
    async with script.endpoint() as made:
        yield made


@pytest.fixture
def settings(endpoint: ScriptedEndpoint, small_disk: Path) -> Settings:
    return settings_for(endpoint, small_disk / "league.duckdb", stream=False)


def _make_room(disk: Path) -> None:
    os.truncate(disk / "filler", 0)


def _fill(disk: Path) -> None:
    """Takes the last byte of a disk."""
    with (disk / "filler").open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue


async def _until_full(server: LeagueServer) -> run_pb2.Run:
    """Waits until a run stands still, and returns it."""
    async with asyncio.timeout(180):
        # A full disk announces nothing: it has to be looked for.
        while "full" not in (found := await run(server)).state_reason:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found


async def _until_there(server: LeagueServer) -> None:
    """Waits until the server has a run."""
    while not (await server.runs.ListRuns(run_service_pb2.ListRunsRequest())).runs:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def test_a_run_waits_for_room_and_goes_on(
    small_disk: Path, settings: Settings, script: LeagueScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.app.RunServicer", partial(RunServicer, heartbeat_s=0.05))
    async with league_server(settings) as server:
        await server.runs.CreateRun(create(LEAGUE))
        full = await _until_full(server)
        listed = (await server.runs.ListRuns(run_service_pb2.ListRunsRequest())).runs[0]
        watch = run_service_pb2.WatchRunRequest(name=NAME)
        async with asyncio.timeout(120):
            async for message in server.runs.WatchRun(watch):
                if message.notice:
                    break
        sent = len(script.asked)
        _make_room(small_disk)
        events = await server.watch(NAME)
        ended = await run(server)
    assert (full.state, listed.state) == (RUN.STATE_PAUSED, RUN.STATE_PAUSED)
    reason = "the disk of league.duckdb is full: make room, and it goes on"
    assert full.state_reason == listed.state_reason == message.notice == reason
    assert sent < CALLS
    assert (ended.state, ended.state_reason) == (RUN.STATE_SUCCEEDED, "")
    # No call was made twice, and no number is missing among the events.
    assert set(script.times().values()) == {1}
    assert ended.progress.calls == len(script.asked) == CALLS
    assert [m.event.sequence for m in events] == list(range(1, len(events) + 1))
    # That it stood still was shown and never stored.
    assert RUN.STATE_PAUSED not in {m.event.run_state_changed.state for m in events}


async def test_changes_are_refused_while_the_disk_is_full(
    small_disk: Path, settings: Settings, script: LeagueScript
) -> None:
    async with league_server(settings) as server:
        await server.runs.CreateRun(create(LEAGUE))
        await _until_full(server)
        changes: list[Awaitable[Any]] = [
            server.runs.CreateRun(create(math_league(3), "math-2")),
            server.runs.PauseRun(run_service_pb2.PauseRunRequest(name=NAME)),
            server.runs.CancelRun(run_service_pb2.CancelRunRequest(name=NAME)),
            server.runs.ResumeRun(run_service_pb2.ResumeRunRequest(name=NAME)),
        ]
        async with asyncio.timeout(120):
            found = [await refused(change) for change in changes]
        _make_room(small_disk)
        await server.watch(NAME)
        await server.play(create(math_league(3), "math-2"))
    for each in found:
        assert (each.code, each.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_FULL")
        assert "then ask again" in each.message
        assert each.retry_s > 0
    assert set(script.times().values()) == {1, 2}
    assert len(script.asked) == CALLS + 18


async def test_a_change_that_finds_the_disk_full_takes_effect_with_room(
    small_disk: Path, settings: Settings, script: LeagueScript
) -> None:
    async with league_server(settings) as server:
        _fill(small_disk)
        # Long enough not to fit into what the database has left of its last page.
        league = math_league(3, title="x" * 100)
        for participant in league.participants:
            participant.system_prompt = "y" * 8000
        async with asyncio.timeout(120):
            found = await refused(server.runs.CreateRun(create(league)))
            _make_room(small_disk)
            await _until_there(server)
        await server.watch(NAME)
    assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_FULL")
    assert "may still take effect" in found.message
    # Advice to ask again at a given time would create the run twice.
    assert found.retry_s == 0
    assert set(script.times().values()) == {1}
    assert len(script.asked) == 18


async def test_a_server_stops_on_a_full_disk_and_the_next_goes_on(
    small_disk: Path, settings: Settings, script: LeagueScript
) -> None:
    hurried = settings.server.model_copy(update={"grace_s": 0.2})
    async with asyncio.timeout(180):
        async with league_server(settings.model_copy(update={"server": hurried})) as server:
            await server.runs.CreateRun(create(LEAGUE))
            await _until_full(server)
    sent = script.times()
    _make_room(small_disk)
    async with league_server(settings, playing=False) as server:
        left = await run(server)
    # It has kept its state, so that the next server takes it up.
    assert left.state == RUN.STATE_RUNNING
    async with league_server(settings) as server:
        events = await server.watch(NAME)
        ended = await run(server)
    assert ended.state == RUN.STATE_SUCCEEDED
    assert [m.event.sequence for m in events] == list(range(1, len(events) + 1))
    # Asked again are those alone whose reply found no room.
    again = {step for step, times in script.times().items() if times > 1}
    assert again <= set(sent)
    assert len(again) <= len(sent) - left.progress.done_steps
    assert ended.progress.ok_steps == CALLS
