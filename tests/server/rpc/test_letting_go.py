"""What a call held is let go of with its end, not when the collector of cycles next runs."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import grpc
import pytest
from llm_crowdsourced.v1 import execution_pb2 as ex
from llm_crowdsourced.v1 import sandbox_service_pb2 as pb
from llm_crowdsourced.v1 import sandbox_service_pb2_grpc

from sandbox.model import Job, Result
from server.rpc.errors import ErrorInterceptor
from server.rpc.sandbox_service import SandboxServicer
from server.sandboxing import most_of
from server.settings import SandboxSettings
from tests.support.scripted_league import eventually
from tests.support.scripted_runner import LARGE, WAITS, ScriptedRunner
from tests.support.wire import refused


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Keeps the collector from doing what is tested."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Watched(ScriptedRunner):
    """Remembers the jobs that it was given, and holds none of them."""

    def __init__(self) -> None:
        super().__init__(capacity=1)
        self.seen: list[weakref.ref[Job]] = []

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        self.seen.append(weakref.ref(job))
        try:
            async with aclosing(super().execute(job)) as results:
                async for result in results:
                    yield result
        finally:
            self.jobs.clear()

    def alive(self) -> int:
        return sum(each() is not None for each in self.seen)


@pytest.fixture
def runner() -> _Watched:
    return _Watched()


@pytest.fixture
async def stub(runner: _Watched) -> AsyncIterator[Any]:
    server = grpc.aio.server(interceptors=[ErrorInterceptor()])
    servicer = SandboxServicer(runner, most_of(SandboxSettings()), by_token=False, patience_s=0.3)
    sandbox_service_pb2_grpc.add_SandboxServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    limits = [("grpc.max_receive_message_length", 64 << 20)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=limits) as channel:
        yield sandbox_service_pb2_grpc.SandboxServiceStub(channel)  # type: ignore[no-untyped-call,unused-ignore]
    await server.stop(None)


def _asked(source: str = WAITS, cases: int = 1) -> pb.ExecuteRequest:
    program = ex.Program(language="python", source=source)
    return pb.ExecuteRequest(program=program, cases=[ex.Case(input=b"x")] * cases)


async def test_of_a_call_that_is_cancelled(runner: _Watched, stub: Any) -> None:
    running = stub.Execute(_asked())
    await running.read()
    waiting = stub.Execute(_asked())
    await eventually(lambda: len(runner.seen) == 2)
    running.cancel()
    waiting.cancel()
    await eventually(lambda: runner.alive() == 0)


async def test_of_a_call_that_reaches_its_deadline(runner: _Watched, stub: Any) -> None:
    async def late() -> None:
        found = await refused(_all_of(stub.Execute(_asked(), timeout=0.5)))
        assert found.code is grpc.StatusCode.DEADLINE_EXCEEDED

    async with asyncio.timeout(120):
        # A call may be over before a busy server has heard of it.
        while len(runner.seen) < 2:
            await asyncio.gather(late(), late())
    await eventually(lambda: runner.alive() == 0)


async def test_of_a_call_that_is_not_read(runner: _Watched, stub: Any) -> None:
    stream = stub.Execute(_asked(LARGE, 100))
    await stream.read()
    await eventually(lambda: len(runner.stopped) == 1)
    found = await refused(_read_on(stream))
    assert found.reason == "RESULTS_NOT_READ"
    await eventually(lambda: runner.alive() == 0)


async def test_of_a_call_that_fails(runner: _Watched, stub: Any) -> None:
    runner.trouble = "Docker does not answer"
    found = await refused(_all_of(stub.Execute(_asked())))
    assert found.reason == "SANDBOX_UNAVAILABLE"
    await eventually(lambda: runner.alive() == 0)


async def test_of_a_call_that_comes_to_its_end(runner: _Watched, stub: Any) -> None:
    runner.gate.set()
    assert len(await _all_of(stub.Execute(_asked()))) == 3
    await eventually(lambda: runner.alive() == 0)


async def _read_on(stream: Any) -> None:
    while await stream.read() is not grpc.aio.EOF:
        pass


async def _all_of(stream: Any) -> list[pb.ExecuteResponse]:
    async with asyncio.timeout(120):
        return [each async for each in stream]
