"""Programs in the queue, and programs that are stopped: refusals, cancelled calls, and turns."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from llm_crowdsourced.v1 import sandbox_service_pb2_grpc

from sandbox.model import MIB
from tests.support.executions import execute, first_of, request, settings_in
from tests.support.league_server import LeagueServer, league_server
from tests.support.scripted_league import eventually
from tests.support.scripted_runner import LARGE, WAITS, ScriptedRunner
from tests.support.wire import refused


@pytest.fixture
async def runner() -> ScriptedRunner:
    return ScriptedRunner()


@pytest.fixture
async def server(tmp_path: Path, runner: ScriptedRunner) -> AsyncIterator[LeagueServer]:
    async with league_server(settings_in(tmp_path), runner=runner) as made:
        yield made


async def test_more_programs_than_may_wait_are_refused_for_now(tmp_path: Path) -> None:
    runner = ScriptedRunner(capacity=1, max_waiting=1)
    async with league_server(settings_in(tmp_path), runner=runner) as server:
        held = [asyncio.create_task(execute(server, request(WAITS, b"1"))) for _ in range(2)]
        await eventually(lambda: runner.places.waiting == 1)
        found = await refused(server.sandbox.Execute(request()).read())
        runner.gate.set()
        await asyncio.gather(*held)
    assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SANDBOX_BUSY")
    assert found.retry_s > 0
    assert "try again" in found.message


async def test_large_requests_of_one_caller_leave_room_for_others(tmp_path: Path) -> None:
    runner = ScriptedRunner(capacity=1, max_waiting=100)
    # Of each request two copies are counted: four fit into a caller's part, five do not.
    large = request(WAITS, *[bytes(7 * MIB)] * 4)
    async with (
        league_server(settings_in(tmp_path), runner=runner) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        held = [asyncio.create_task(execute(server, large)) for _ in range(4)]
        await eventually(lambda: runner.places.waiting == 3)
        found = await refused(server.sandbox.Execute(large).read())
        stub = sandbox_service_pb2_grpc.SandboxServiceStub(channel)  # type: ignore[no-untyped-call,unused-ignore]
        other = stub.Execute(large)
        await eventually(lambda: runner.places.waiting == 4)
        other.cancel()
        for task in held:
            task.cancel()
        await eventually(lambda: runner.places.in_use == 0)
    assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "SANDBOX_BUSY")
    assert found.retry_s > 0


async def test_programs_that_cannot_be_run_are_refused_with_the_cure(
    server: LeagueServer, runner: ScriptedRunner
) -> None:
    runner.trouble = "Docker does not answer: start it"
    found = await refused(server.sandbox.Execute(request()).read())
    assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "SANDBOX_UNAVAILABLE")
    assert found.message == runner.trouble


async def test_a_cancelled_call_stops_its_program(
    server: LeagueServer, runner: ScriptedRunner
) -> None:
    stream = server.sandbox.Execute(request(WAITS, b"1"))
    await first_of(stream)
    await runner.began.wait()
    stream.cancel()
    await eventually(lambda: len(runner.stopped) == 1 and runner.places.in_use == 0)


async def test_a_call_cancelled_in_the_queue_leaves_it(
    server: LeagueServer, runner: ScriptedRunner
) -> None:
    held = [server.sandbox.Execute(request(WAITS, b"1")) for _ in range(2)]
    for stream in held:
        await first_of(stream)
    queued = server.sandbox.Execute(request(WAITS, b"1"))
    reading = asyncio.create_task(first_of(queued))
    await eventually(lambda: runner.places.waiting == 1)
    queued.cancel()
    await eventually(lambda: runner.places.waiting == 0)
    with pytest.raises(asyncio.CancelledError):
        await reading
    runner.gate.set()
    for stream in held:
        assert len([each async for each in stream]) == 2
    assert len(runner.jobs) == 2


async def test_a_call_cancelled_while_results_wait_to_be_read_stops_its_program(
    server: LeagueServer, runner: ScriptedRunner
) -> None:
    """Where its generator stands at a `yield`, that no cancellation reaches."""
    stream = server.sandbox.Execute(request(LARGE, *[b""] * 100))
    await first_of(stream)
    assert runner.places.in_use == 1
    stream.cancel()
    await eventually(lambda: len(runner.stopped) == 1 and runner.places.in_use == 0)


async def test_a_deadline_stops_its_program(server: LeagueServer, runner: ScriptedRunner) -> None:
    async with asyncio.timeout(120):
        # A call may be over before a busy server has heard of it.
        while not runner.jobs:
            stream = server.sandbox.Execute(request(WAITS, b"1"), timeout=0.5)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                _ = [each async for each in stream]
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually(lambda: len(runner.stopped) == len(runner.jobs) and not runner.places.in_use)


async def test_a_client_that_goes_away_stops_its_program(
    server: LeagueServer, runner: ScriptedRunner
) -> None:
    channel = grpc.aio.insecure_channel(server.address)
    stub = sandbox_service_pb2_grpc.SandboxServiceStub(channel)  # type: ignore[no-untyped-call,unused-ignore]
    stream = stub.Execute(request(WAITS, b"1"))
    await first_of(stream)
    await channel.close()
    await eventually(lambda: len(runner.stopped) == 1 and runner.places.in_use == 0)


async def test_many_programs_of_one_connection_do_not_keep_another_from_its_turn(
    tmp_path: Path,
) -> None:
    runner = ScriptedRunner(capacity=1, max_waiting=100)
    async with (
        league_server(settings_in(tmp_path), runner=runner) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        many = [asyncio.create_task(execute(server, request(WAITS, b"1"))) for _ in range(20)]
        await eventually(lambda: runner.places.waiting == 19)
        stub = sandbox_service_pb2_grpc.SandboxServiceStub(channel)  # type: ignore[no-untyped-call,unused-ignore]
        few = stub.Execute(request("of another", b"1"))
        await eventually(lambda: runner.places.waiting == 20)
        runner.gate.set()
        assert len([each async for each in few]) == 3
        await asyncio.gather(*many)
    assert [job.program.source for job in runner.jobs].index("of another") == 1
    assert len({job.caller for job in runner.jobs}) == 2
