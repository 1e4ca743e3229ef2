"""A request that comes again makes nothing twice: at once, after a restart, after a kill."""

import asyncio
import random
import secrets
from pathlib import Path

import grpc
import pytest
from llm_crowdsourced.v1 import league_pb2, run_pb2, run_service_pb2, run_service_pb2_grpc

from server.store.records import NewRun, RunRecord
from server.store.store import Store
from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create
from tests.support.scripted_league import Held, LeagueScript
from tests.support.server_process import server_process, settings_file
from tests.support.wire import refused

NAME = "runs/math-1"
IDENTITY = "6f1c2a0e-9d5b-4c8e-8f0a-1b2c3d4e5f60"
OTHER = "0b0b0b0b-0000-4000-8000-000000000001"
CALLS = 18


def _request(identity: str = IDENTITY, run_id: str = "") -> run_service_pb2.CreateRunRequest:
    return run_service_pb2.CreateRunRequest(
        league=math_league(3), request_id=identity, run_id=run_id
    )


async def _runs(stub: "run_service_pb2_grpc.RunServiceAsyncStub") -> list[run_pb2.Run]:
    return list((await stub.ListRuns(run_service_pb2.ListRunsRequest())).runs)


def _played_once(script: LeagueScript) -> bool:
    """Whether one run asked, and for each of its steps once."""
    runs = {asked.request.headers["x-llm-crowdsourced-run"] for asked in script.asked}
    return len(runs) == 1 and len(script.asked) == len(script.times()) == CALLS


@pytest.mark.parametrize("method", ["CreateRun", "RejudgeRun"])
async def test_a_request_id_makes_it_once(server: LeagueServer, method: str) -> None:
    identity = "6f1c2a0e-9d5b-4c8e-8f0a-1b2c3d4e5f60"
    request: run_service_pb2.CreateRunRequest | run_service_pb2.RejudgeRunRequest
    if method == "CreateRun":
        request = run_service_pb2.CreateRunRequest(league=math_league(3), request_id=identity)
    else:
        await server.play(create(math_league(3)))
        request = run_service_pb2.RejudgeRunRequest(name=NAME, request_id=identity)
    call = getattr(server.runs, method)
    first, again = await call(request), await call(request)
    assert (first.existed, again.existed) == (False, True)
    assert first.run.name == again.run.name
    await server.watch(first.run.name)
    assert (await call(request)).run.state == run_pb2.Run.STATE_SUCCEEDED
    request.run_id = "other-1"
    found = await refused(call(request))
    assert found.code is grpc.StatusCode.ALREADY_EXISTS
    assert found.reason == "REQUEST_ID_REUSED"
    assert found.metadata["name"] == first.run.name


async def test_requests_at_once_from_many_clients_make_one_run(
    server: LeagueServer, script: LeagueScript
) -> None:
    channels = [grpc.aio.insecure_channel(server.address) for _ in range(20)]
    stubs = [type(server.runs)(channel) for channel in channels]
    made = await asyncio.gather(*(stub.CreateRun(_request()) for stub in stubs))
    (name,) = {each.run.name for each in made}
    assert sorted(each.existed for each in made) == [False] + [True] * 19
    await server.watch(name)
    assert len(await _runs(server.runs)) == 1
    assert _played_once(script)
    await asyncio.gather(*(channel.close() for channel in channels))


async def test_a_run_id_is_taken_by_the_first_request(
    server: LeagueServer, script: LeagueScript
) -> None:
    await server.play(_request(run_id="math-1"))
    for request in (_request(OTHER, "math-1"), create(math_league(3))):
        found = await refused(server.runs.CreateRun(request))
        assert (found.code, found.reason) == (grpc.StatusCode.ALREADY_EXISTS, "RUN_EXISTS")
    assert (await server.runs.CreateRun(_request(run_id="math-1"))).existed
    assert _played_once(script)


async def test_a_request_id_of_a_creation_is_none_of_a_judging(
    server: LeagueServer, script: LeagueScript
) -> None:
    await server.play(_request(run_id="math-1"))
    rejudge = run_service_pb2.RejudgeRunRequest(name=NAME, request_id=IDENTITY)
    found = await refused(server.runs.RejudgeRun(rejudge))
    assert (found.code, found.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert len(await _runs(server.runs)) == 1
    assert _played_once(script)


async def test_a_client_that_goes_away_leaves_no_run_that_nobody_plays(
    server: LeagueServer, script: LeagueScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, gone = asyncio.Event(), asyncio.Event()
    create_run = Store.create_run

    async def slow(self: Store, new: NewRun) -> tuple[RunRecord, bool]:
        made = await create_run(self, new)
        stored.set()
        await gone.wait()
        return made

    monkeypatch.setattr(Store, "create_run", slow)
    call = server.runs.CreateRun(_request())
    await asyncio.wait_for(stored.wait(), 120)
    call.cancel()
    # The server has heard of it once another call over the same connection is answered.
    (found,) = await _runs(server.runs)
    gone.set()
    again = await server.runs.CreateRun(_request())
    assert (again.existed, again.run.name) == (True, found.name)
    events = await server.watch(found.name)
    assert events[-1].event.run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED
    assert _played_once(script)


async def test_a_request_after_a_restart_finds_its_run(tmp_path: Path) -> None:
    script = LeagueScript()
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            first = await server.runs.CreateRun(_request())
        async with league_server(settings) as server:
            again = await server.runs.CreateRun(_request())
            await server.watch(again.run.name)
    assert (first.run.name, again.existed) == (again.run.name, True)
    assert _played_once(script)


def _own_league() -> league_pb2.League:
    league = math_league(3)
    for participant in league.participants:
        participant.provider = "own"
    return league


async def test_requests_around_kills_make_one_run(tmp_path: Path) -> None:
    """Killed while the request is under way, at any moment of it, answered or not."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    draw = random.Random(seed)  # noqa: S311
    held = Held(lambda _: True)
    script = LeagueScript(held)
    request = run_service_pb2.CreateRunRequest(league=_own_league(), request_id=IDENTITY)
    names: set[str] = set()
    async with script.endpoint() as endpoint:
        settings = settings_file(tmp_path, endpoint.base_url)
        for _ in range(4):
            async with (
                server_process(settings) as server,
                grpc.aio.insecure_channel(server.address) as channel,
            ):
                call = run_service_pb2_grpc.RunServiceStub(channel).CreateRun(request)
                await asyncio.wait({asyncio.ensure_future(call)}, timeout=draw.uniform(0, 0.15))
                server.process.kill()
                await server.process.wait()
                try:
                    names.add((await call).run.name)
                except grpc.aio.AioRpcError as error:
                    print(error.code())  # noqa: T201
        held.let_go()
        async with (
            server_process(settings) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            runs = run_service_pb2_grpc.RunServiceStub(channel)
            names.add((await runs.CreateRun(request)).run.name)
            (name,) = names
            async for message in runs.WatchRun(run_service_pb2.WatchRunRequest(name=name)):
                last = message
            assert [run.name for run in await _runs(runs)] == [name]
    assert last.event.run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED
    assert len(script.times()) == CALLS
    assert len({asked.request.headers["x-llm-crowdsourced-run"] for asked in script.asked}) == 1
    # Replies were held back until the last server: only questions had been asked before.
    assert {step for step, times in script.times().items() if times > 1} <= {
        f"{number}/question/p{number}" for number in (1, 2, 3)
    }
