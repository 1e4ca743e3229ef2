"""A thousand programs through `SandboxService`: how fast, and what they leave behind."""

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
from llm_crowdsourced.v1 import execution_pb2 as ex
from llm_crowdsourced.v1 import sandbox_service_pb2 as pb
from llm_crowdsourced.v1 import sandbox_service_pb2_grpc

from sandbox.engine import owner
from tests.bench.playing import heading, row
from tests.bench.sandbox_parts import Load, containers
from tests.support.server_process import server_process, settings_file

PROGRAMS = 1000
EARLY = 200
CASES = 5
# A machine that others use is not held up for longer.
MOST_S = 150.0
_KIB_IN_MIB = 1 << 10
_QUIET_S = 20.0


@dataclass(frozen=True)
class _Held:
    """What the server holds at one time.

    Attributes:
        programs: Programs run by then.
        memory_mib: Its resident memory.
        descriptors: Its open files and sockets.
        threads: Its threads.
    """

    programs: int
    memory_mib: float
    descriptors: int
    threads: int


class _Client:
    """Sends programs one after another, as long as there are any and time is left."""

    def __init__(self, stub: "sandbox_service_pb2_grpc.SandboxServiceAsyncStub", pid: int) -> None:
        self._stub = stub
        self._pid = pid
        self._deadline = time.monotonic() + MOST_S
        self._begun = 0
        self.done = 0
        self.held: list[_Held] = []

    async def work(self) -> None:
        """Runs programs until all are done, or time is up."""
        while self._begun < PROGRAMS and time.monotonic() < self._deadline:
            self._begun += 1
            await self._one(self._begun)
            self.done += 1
            if self.done == EARLY:
                self.note()

    def note(self) -> None:
        """Notes what the server holds now."""
        self.held.append(_held(self._pid, self.done))

    async def _one(self, number: int) -> None:
        cases = [
            ex.Case(input=b"%d\n" % value, expected_output=b"%d\n" % (number * value))
            for value in range(CASES)
        ]
        program = ex.Program(language="python", source=f"print({number} * int(input()))\n")
        summary = None
        async for response in self._stub.Execute(pb.ExecuteRequest(program=program, cases=cases)):
            summary = response.summary
        assert summary is not None
        assert summary.passed_cases == CASES, summary


async def measure() -> None:
    """Prints the figures."""
    at_once = 2 * (os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            server_process(settings_file(Path(folder))) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            stub = sandbox_service_pb2_grpc.SandboxServiceStub(channel)
            await stub.ListLanguages(pb.ListLanguagesRequest())
            mine = f"{owner().partition('/')[0]}/{server.pid}/"
            asking = _Client(stub, server.pid)
            load, begun = Load(), time.perf_counter()
            asking.note()
            await asyncio.gather(*(asking.work() for _ in range(at_once)))
            took, told = time.perf_counter() - begun, str(load)
            asking.note()
            kept = await _quiet(mine)
        left = await asyncio.to_thread(containers, mine)
    all_of_them = "" if asking.done == PROGRAMS else f" of {PROGRAMS:,}, after {MOST_S:.0f} s"
    heading(
        f"{asking.done:,}{all_of_them} programs of {CASES} Python cases through SandboxService, "
        f"{at_once} asked at once, {told}"
    )
    row("programs, all accepted", asking.done / took, "a second")
    row("cases", asking.done * CASES / took, "a second")
    for held in asking.held:
        note = f"{held.descriptors} descriptors, {held.threads} threads"
        row(f"memory of the server after {held.programs:,}", held.memory_mib, "MiB", note)
    row("containers of the server when all is quiet: its pool", kept, "")
    row("containers left once it has ended (0)", left, "")


async def _quiet(mine: str) -> int:
    """Returns how many containers there are once their number stays as it is."""
    count, since = -1, time.monotonic()
    end = since + _QUIET_S
    while (now := time.monotonic()) < end and now - since < 1:
        if count != (count := await asyncio.to_thread(containers, mine)):
            since = now
        await asyncio.sleep(0.1)
    return count


def _held(pid: int, programs: int) -> _Held:
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return _Held(
        programs=programs,
        memory_mib=int(status["VmRSS"].split()[0]) / _KIB_IN_MIB,
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),  # noqa: PTH208 - nothing but its length
        threads=int(status["Threads"]),
    )
