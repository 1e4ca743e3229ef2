"""Streams that are open at once: so many of each method, and no call beside them waits."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from llm_crowdsourced.v1 import run_service_pb2

from server.settings import SandboxSettings, ServerSettings, Settings
from server.store.store import Store
from tests.support.league_server import LeagueServer, league_server
from tests.support.store_records import new_run
from tests.support.wire import Refusal, refused

MOST = 3
NAME = "runs/math-1"
WATCH = run_service_pb2.WatchRunRequest(name=NAME)
PROBE = health_pb2.HealthCheckRequest()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LeagueServer]:
    """A server that holds few streams, with a run that goes on for ever."""
    address = ServerSettings(
        address="127.0.0.1:0", database=tmp_path / "a.duckdb", grace_s=1, max_open_streams=MOST
    )
    with Store(address.database) as store:
        await store.create_run(new_run("math-1"))
    settings = Settings(server=address, sandbox=SandboxSettings(enabled=False))
    async with league_server(settings, playing=False) as served:
        yield served


def _health(server: LeagueServer) -> Any:
    # Its stubs say nothing of asynchronous calls.
    return health_pb2_grpc.HealthStub(server.channel)


async def _open(server: LeagueServer) -> list[Any]:
    """Opens as many watches as the server holds, and returns them once each has its event."""
    watches: list[Any] = [server.runs.WatchRun(WATCH) for _ in range(MOST)]
    for watch in watches:
        assert (await watch.read()).event.sequence == 1
    return watches


async def _asked(server: LeagueServer) -> str:
    return (await server.runs.GetRun(run_service_pb2.GetRunRequest(name=NAME))).run.name


def _is_clear(refusal: Refusal) -> None:
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (refusal.reason, refusal.retry_s) == ("TOO_MANY_STREAMS", 5)
    assert f"{MOST} streams of this method are open" in refusal.message
    assert "max_open_streams" in refusal.message


async def test_a_stream_too_many_is_refused_and_all_else_is_answered(server: LeagueServer) -> None:
    watches = await _open(server)
    for _ in range(3):
        _is_clear(await refused(server.runs.WatchRun(WATCH).read()))
    assert await _asked(server) == NAME
    # Other methods have places of their own.
    health = _health(server)
    probe = health.Watch(PROBE)
    assert (await probe.read()).status == health_pb2.HealthCheckResponse.SERVING
    for stream in (*watches, probe):
        stream.cancel()


async def test_a_flood_is_refused_but_for_what_the_server_holds(server: LeagueServer) -> None:
    health = _health(server)
    probes = [health.Watch(PROBE) for _ in range(500)]
    got = await asyncio.gather(*(probe.read() for probe in probes), return_exceptions=True)
    served = [each for each in got if not isinstance(each, BaseException)]
    assert len(served) == MOST
    codes = {each.code() for each in got if isinstance(each, grpc.aio.AioRpcError)}
    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert await _asked(server) == NAME
    assert len(await _open(server)) == MOST
    for probe in probes:
        probe.cancel()


async def test_a_stream_that_fails_leaves_its_place(server: LeagueServer) -> None:
    unknown = run_service_pb2.WatchRunRequest(name="runs/nothing")
    for _ in range(MOST + 1):
        found = await refused(server.runs.WatchRun(unknown).read())
        assert found.code is grpc.StatusCode.NOT_FOUND
    await _open(server)


async def test_a_stream_that_its_client_ends_leaves_its_place(server: LeagueServer) -> None:
    for _ in range(10):
        for watch in await _open_once_there_is_room(server):
            watch.cancel()


async def _open_once_there_is_room(server: LeagueServer) -> list[Any]:
    """Opens watches; the server hears a moment later than its client that others have ended."""
    for _ in range(1000):
        try:
            return await _open(server)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # noqa: PT017 - nothing else
            await asyncio.sleep(0.01)
    raise AssertionError("ended streams keep their places")


async def test_reflection_is_bounded_too(server: LeagueServer) -> None:
    channel: Any = server.channel
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    streams = [stub.ServerReflectionInfo() for _ in range(MOST)]
    for stream in streams:
        await stream.write(request)
        assert (await stream.read()).list_services_response.service
    one_more = stub.ServerReflectionInfo()
    _is_clear(await refused(one_more.read()))
    for stream in streams:
        stream.cancel()
