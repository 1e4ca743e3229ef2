"""What the measurements of playing share: an endpoint and a server as processes, and a league."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from llm_crowdsourced.v1 import (
    call_pb2,
    league_pb2,
    result_service_pb2,
    result_service_pb2_grpc,
    run_pb2,
    run_service_pb2,
    run_service_pb2_grpc,
)

from tests.support.server_process import PROJECT, server_process, settings_file

_MIB = 1 << 20
_KIB = 1 << 10


@dataclass
class EndpointProcess:
    """The scripted endpoint in a process of its own.

    Attributes:
        base_url: Address of its API.
        pid: The process.
        durations: Once it has ended: seconds from the arrival of each request
            to the end of its reply.
    """

    base_url: str
    pid: int
    durations: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """A server that plays against an endpoint."""

    runs: run_service_pb2_grpc.RunServiceAsyncStub
    results: result_service_pb2_grpc.ResultServiceAsyncStub
    address: str
    pid: int
    endpoint: EndpointProcess

    async def play(self, league: league_pb2.League) -> float:
        """Plays a league and returns the seconds from CreateRun to the last event."""
        return (await self.played(league))[1]

    async def played(self, league: league_pb2.League) -> tuple[run_pb2.Run, float]:
        """Plays a league; returns its run and the seconds from CreateRun to the last event."""
        begun = time.perf_counter()
        created = await self.runs.CreateRun(run_service_pb2.CreateRunRequest(league=league))
        request = run_service_pb2.WatchRunRequest(name=created.run.name)
        last = None
        async for message in self.runs.WatchRun(request):
            last = message.event
        took = time.perf_counter() - begun
        assert last is not None
        assert last.progress.ok_steps == calls_of(league), last
        return created.run, took

    async def calls(self, name: str) -> list[call_pb2.Call]:
        """Returns the calls of a run."""
        request = result_service_pb2.ListCallsRequest(parent=name, page_size=1000)
        found: list[call_pb2.Call] = []
        while True:
            page = await self.results.ListCalls(request)
            found += page.calls
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    def memory_mib(self) -> float:
        """Returns the most memory that the server has had resident so far, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * _KIB / _MIB


def league(participants: int, cycles: int, max_concurrent_calls: int) -> league_pb2.League:
    """Returns a mathematics league."""
    return league_pb2.League(
        subject=league_pb2.SUBJECT_MATH,
        rounds_per_participant=cycles,
        max_concurrent_calls=max_concurrent_calls,
        participants=[
            league_pb2.Participant(id=f"p{number}", provider="own", model="scripted")
            for number in range(participants)
        ],
    )


def calls_of(league: league_pb2.League) -> int:
    """Returns the calls of a league in which nothing fails: `2 N^2` a cycle."""
    return 2 * len(league.participants) ** 2 * league.rounds_per_participant


@asynccontextmanager
async def bench(
    latency_s: float, max_concurrent_calls: int, script: str = ""
) -> AsyncIterator[Bench]:
    """Starts an endpoint with that latency and a server that asks it; see `endpoint_process`."""
    with tempfile.TemporaryDirectory() as folder:
        async with endpoint_process(latency_s, script) as endpoint:
            settings = settings_file(Path(folder), endpoint.base_url)
            limits = f"max_concurrent_calls = {max_concurrent_calls}\nstream = false\n"
            settings.write_text(settings.read_text() + limits)
            async with (
                server_process(settings) as server,
                grpc.aio.insecure_channel(server.address) as channel,
            ):
                yield Bench(
                    run_service_pb2_grpc.RunServiceStub(channel),
                    result_service_pb2_grpc.ResultServiceStub(channel),
                    server.address,
                    server.pid,
                    endpoint,
                )


@asynccontextmanager
async def endpoint_process(latency_s: float, script: str = "") -> AsyncIterator[EndpointProcess]:
    """Starts an endpoint; it plays mathematics along, or a script that it knows by name."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.endpoint", str(latency_s), script,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=PROJECT,
        limit=64 * _MIB,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    base_url = (await process.stdout.readline()).decode().strip()
    endpoint = EndpointProcess(base_url, process.pid)
    try:
        yield endpoint
    finally:
        process.stdin.close()
        endpoint.durations = json.loads(await process.stdout.readline())
        await process.wait()


def spread(values: list[float]) -> str:
    """Returns how many values a median is of, and their range."""
    return f"(median of {len(values)}; {min(values):.3f} to {max(values):.3f})"


def row(name: str, value: float, unit: str, note: str = "") -> None:
    """Prints one figure."""
    print(f"  {name:<52} {value:9.3f} {unit:<9} {note}".rstrip(), flush=True)


def heading(text: str) -> None:
    """Prints what is measured."""
    print(f"\n{text}", flush=True)
