"""What a request takes of the room is what it takes of the server's memory."""

import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from llm_crowdsourced.v1 import sandbox_service_pb2_grpc

from sandbox.model import MIB
from server.rpc import sandbox_service
from tests.support.executions import first_of, request
from tests.support.scripted_league import eventually
from tests.support.scripted_runner import WAITS
from tests.support.server_process import server_process, settings_file

REQUESTS = 3
CASE = 15 * MIB
SENT = 2 * CASE


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
async def test_a_request_is_held_in_as_many_copies_as_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # glibc keeps what large requests gave back. So it returns it at once, and what is measured
    # is what is held.
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", str(64 << 10))
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", str(64 << 10))
    settings = settings_file(tmp_path)
    async with (
        server_process(settings, module="tests.support.waiting_server") as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        sandbox: Any = sandbox_service_pb2_grpc.SandboxServiceStub(channel)  # type: ignore[no-untyped-call,unused-ignore]
        # The first takes what the server never gives back.
        first = await _all_waiting(sandbox, 1)
        before = _memory(server.pid)
        calls = await _all_waiting(sandbox, REQUESTS)
        copies = (_memory(server.pid) - before) / (REQUESTS * SENT)
        assert copies == pytest.approx(sandbox_service._COPIES, abs=0.25)
        for call in (*first, *calls):
            call.cancel()
        # All of it is let go of with the calls.
        await eventually(lambda: _memory(server.pid) - before < 0)


async def _all_waiting(sandbox: Any, number: int) -> list[Any]:
    """Returns calls whose programs run, and wait: what was read of each is held by then."""
    calls = []
    for each in range(number):
        calls.append(sandbox.Execute(request(WAITS, *[bytes([each + 1]) * CASE] * 2)))
        await first_of(calls[-1])
    return calls


def _memory(pid: int) -> int:
    """Returns the bytes of memory of a process that are of no file."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))
