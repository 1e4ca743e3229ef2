"""What 200 watchers cost a run: its wall time, and the server's CPU for each event."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from llm_crowdsourced.v1 import run_service_pb2

from tests.bench.playing import Bench, bench, calls_of, heading, league, row, spread
from tests.support.server_process import PROJECT

WATCHERS = 200
LEAGUE = league(8, 2, 256)
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


async def play(playing: Bench, watchers: asyncio.subprocess.Process | None) -> Played:
    """Plays one run, watched by that process where one is given."""
    before = cpu_seconds(playing.pid)
    request = run_service_pb2.CreateRunRequest(league=LEAGUE)
    name = (await playing.runs.CreateRun(request)).run.name
    if watchers is not None and watchers.stdin is not None:
        watchers.stdin.write(f"{name}\n".encode())
    events = 0
    async for message in playing.runs.WatchRun(run_service_pb2.WatchRunRequest(name=name)):
        events += message.HasField("event")
    if watchers is not None and watchers.stdout is not None:
        got = json.loads(await watchers.stdout.readline())
        assert got == [events] * WATCHERS, got
    used = cpu_seconds(playing.pid) - before
    run = (await playing.runs.GetRun(run_service_pb2.GetRunRequest(name=name))).run
    assert run.progress.ok_steps == calls_of(LEAGUE), run
    created, ended = run.create_time.ToNanoseconds(), run.end_time.ToNanoseconds()
    return Played((ended - created) / 1e9, used, events)


async def measure() -> None:
    """Prints the figures."""
    alone: list[Played] = []
    watched: list[Played] = []
    async with bench(LATENCY_S, 256) as playing, watchers_process(playing.address) as watchers:
        await play(playing, watchers)  # warms up imports and connections
        for _ in range(REPEATS):
            alone.append(await play(playing, None))
            watched.append(await play(playing, watchers))
    heading(
        f"League of {len(LEAGUE.participants)}, {calls_of(LEAGUE)} calls, {LATENCY_S:.0f} s each, "
        f"watched by one and by {WATCHERS} more, in turn"
    )
    walls = []
    for watchers_of, runs in ((1, alone), (1 + WATCHERS, watched)):
        every = [run.wall_s for run in runs]
        walls.append(median(every))
        row(f"wall time, {watchers_of} watching", walls[-1], "s", spread(every))
    row("slowed by (at most 10)", 100 * (walls[1] / walls[0] - 1), "%")
    delivered = WATCHERS * watched[0].events
    row("events told to the 200, in order, none lost", delivered, "a run")
    cost = median(run.cpu_s for run in watched) - median(run.cpu_s for run in alone)
    row("CPU of the server for an event told", 1e6 * cost / delivered, "us")
