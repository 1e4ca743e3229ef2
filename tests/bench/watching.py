"""What 200 watchers cost a run: its wall time, and the server's CPU for each event."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc
from llm_crowdsourced.v1 import league_pb2, run_service_pb2, run_service_pb2_grpc

from tests.bench.league_wall import PARTICIPANTS, endpoint_process
from tests.support.server_process import PROJECT, ServerProcess, server_process, settings_file

WATCHERS = 200
CYCLES = 2
CALLS = 2 * PARTICIPANTS**2 * CYCLES
LATENCY_S = 1.0
REPEATS = 5


@dataclass(frozen=True)
class Played:
    """One run: its seconds from creation to end, the server's CPU seconds, its events."""

    wall_s: float
    cpu_s: float
    events: int


@asynccontextmanager
async def watchers_process(address: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs the watchers in a process of their own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.watchers", address, str(WATCHERS),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=PROJECT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield process
    finally:
        process.stdin.close()
        await process.wait()


def cpu_seconds(pid: int) -> float:
    """Returns what a process has used of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def play(server: ServerProcess, watchers: asyncio.subprocess.Process | None) -> Played:
    """Plays one run, watched by that process where one is given."""
    league = league_pb2.League(
        subject=league_pb2.SUBJECT_MATH,
        rounds_per_participant=CYCLES,
        max_concurrent_calls=256,
        participants=[
            league_pb2.Participant(id=f"p{i}", provider="own", model="scripted")
            for i in range(PARTICIPANTS)
        ],
    )
    async with grpc.aio.insecure_channel(server.address) as channel:
        runs = run_service_pb2_grpc.RunServiceStub(channel)
        before = cpu_seconds(server.pid)
        name = (await runs.CreateRun(run_service_pb2.CreateRunRequest(league=league))).run.name
        if watchers is not None and watchers.stdin is not None:
            watchers.stdin.write(f"{name}\n".encode())
        events = 0
        async for message in runs.WatchRun(run_service_pb2.WatchRunRequest(name=name)):
            events += message.HasField("event")
        if watchers is not None and watchers.stdout is not None:
            got = json.loads(await watchers.stdout.readline())
            assert got == [events] * WATCHERS, got
        used = cpu_seconds(server.pid) - before
        run = (await runs.GetRun(run_service_pb2.GetRunRequest(name=name))).run
    assert run.progress.ok_steps == CALLS, run
    created, ended = run.create_time.ToNanoseconds(), run.end_time.ToNanoseconds()
    return Played((ended - created) / 1e9, used, events)


async def measure() -> None:
    """Prints the figures."""
    alone: list[Played] = []
    watched: list[Played] = []
    with tempfile.TemporaryDirectory() as folder:
        async with endpoint_process(LATENCY_S) as base_url:
            settings = settings_file(Path(folder), base_url)
            text = settings.read_text() + "max_concurrent_calls = 256\nstream = false\n"
            settings.write_text(text)
            async with (
                server_process(settings) as server,
                watchers_process(server.address) as watchers,
            ):
                await play(server, watchers)  # warms up imports and connections
                for _ in range(REPEATS):
                    alone.append(await play(server, None))
                    watched.append(await play(server, watchers))
    print(
        f"\nA run of {CALLS} calls, {LATENCY_S:.0f} s each, "
        f"with 1 watcher and with {WATCHERS} more, in turn"
    )
    walls = [median(p.wall_s for p in played) for played in (alone, watched)]
    for name, played, wall in zip(("1 watcher", f"{WATCHERS + 1} watchers"), (alone, watched),
                                  walls, strict=True):  # fmt: skip
        every = [p.wall_s for p in played]
        note = f"(median of {len(every)}; {min(every):.3f} to {max(every):.3f})"
        print(f"  {'wall time, ' + name:<46} {wall:8.3f} s  {note}")
    print(f"  {'slowed by':<46} {100 * (walls[1] / walls[0] - 1):8.1f} %")
    delivered = WATCHERS * watched[0].events
    print(f"  {'events delivered a run, each in order, none lost':<46} {delivered:8,}")
    cost = median(p.cpu_s for p in watched) - median(p.cpu_s for p in alone)
    print(f"  {'CPU of the server for an event delivered':<46} {1e6 * cost / delivered:8.1f} us")
