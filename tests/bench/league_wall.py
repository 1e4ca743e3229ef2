"""Wall time of a league against its critical path, and against one call after another."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import grpc
from llm_crowdsourced.v1 import league_pb2, run_service_pb2, run_service_pb2_grpc

from tests.support.server_process import PROJECT, server_process, settings_file

PARTICIPANTS = 8
CALLS = 2 * PARTICIPANTS**2
LATENCY_S = 0.1
# A question, the answers to it, the judgments of them.
CRITICAL_PATH_S = 3 * LATENCY_S
REPEATS = 7


@asynccontextmanager
async def endpoint_process(latency_s: float) -> AsyncIterator[str]:
    """Runs the scripted endpoint in a process of its own and gives its base URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.endpoint", str(latency_s),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=PROJECT,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


def league(max_concurrent_calls: int) -> league_pb2.League:
    """Returns the league that is played: 8 participants, one cycle, 128 calls."""
    return league_pb2.League(
        subject=league_pb2.SUBJECT_MATH,
        rounds_per_participant=1,
        max_concurrent_calls=max_concurrent_calls,
        participants=[
            league_pb2.Participant(id=f"p{i}", provider="own", model="scripted")
            for i in range(PARTICIPANTS)
        ],
    )


async def play(runs: run_service_pb2_grpc.RunServiceAsyncStub, max_concurrent_calls: int) -> float:
    """Plays the league and returns the seconds from CreateRun to the last event."""
    begun = time.perf_counter()
    created = await runs.CreateRun(
        run_service_pb2.CreateRunRequest(league=league(max_concurrent_calls))
    )
    last = None
    async for message in runs.WatchRun(run_service_pb2.WatchRunRequest(name=created.run.name)):
        last = message.event
    took = time.perf_counter() - begun
    assert last is not None
    assert last.progress.ok_steps == CALLS, last
    return took


async def measure() -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as folder:
        async with endpoint_process(LATENCY_S) as base_url:
            settings = settings_file(Path(folder), base_url)
            text = settings.read_text() + "max_concurrent_calls = 256\nstream = false\n"
            settings.write_text(text)
            async with (
                server_process(settings) as server,
                grpc.aio.insecure_channel(server.address) as channel,
            ):
                runs: run_service_pb2_grpc.RunServiceAsyncStub
                runs = run_service_pb2_grpc.RunServiceStub(channel)
                await play(runs, 256)  # warms up imports and connections
                together = [await play(runs, 256) for _ in range(REPEATS)]
                alone = [await play(runs, 1) for _ in range(2)]
    wall, serial = median(together), median(alone)
    print(f"\nLeague of {PARTICIPANTS}, one cycle, {CALLS} calls, {LATENCY_S * 1000:.0f} ms each")
    rows = [
        ("critical path, 3 calls", CRITICAL_PATH_S, ""),
        ("wall time, from CreateRun to the last event", wall, _range(together)),
        ("the same calls one after another", serial, _range(alone)),
    ]
    for name, seconds, note in rows:
        print(f"  {name:<46} {seconds:8.3f} s  {note}")
    print(f"  {'wall time to critical path':<46} {wall / CRITICAL_PATH_S:8.2f} x")
    print(f"  {'one after another to wall time':<46} {serial / wall:8.1f} x")


def _range(values: list[float]) -> str:
    return f"(median of {len(values)}; {min(values):.3f} to {max(values):.3f})"
