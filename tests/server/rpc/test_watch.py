"""A watch: past events, then new ones, signs of life, and OK at the end."""

import asyncio
from functools import partial
from pathlib import Path

import grpc
import pytest
from llm_crowdsourced.v1 import result_service_pb2, run_pb2, run_service_pb2

from server.rpc.run_service import RunServicer
from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create
from tests.support.scripted_league import Held, LeagueScript, eventually
from tests.support.wire import refused

NAME = "runs/math-1"


def _watch(name: str = NAME, token: str = "") -> run_service_pb2.WatchRunRequest:
    return run_service_pb2.WatchRunRequest(name=name, resume_token=token)


async def test_a_replay_from_any_token_is_the_rest(server: LeagueServer) -> None:
    everything = await server.play(create(math_league(3)))
    assert [m.event.sequence for m in everything] == list(range(1, 22))
    for number, message in enumerate(everything, 1):
        rest = await server.watch(NAME, message.resume_token)
        assert rest == everything[number:]


async def test_two_watchers_of_a_run_under_way_see_the_same(
    server: LeagueServer, script: LeagueScript
) -> None:
    held = Held(lambda asked: asked.role == "judgment")
    script.bend = held
    await server.runs.CreateRun(create(math_league(4)))
    early = asyncio.create_task(server.watch(NAME))
    await eventually(lambda: held.waiting == 16)
    late = asyncio.create_task(server.watch(NAME))
    held.let_go()
    first, second = await asyncio.gather(early, late)
    assert first == second
    assert [m.event.sequence for m in first] == list(range(1, len(first) + 1))
    last = first[-1].event
    assert last.run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED
    done = [m.event.progress.done_steps for m in first]
    assert done == sorted(done)


async def test_events_come_as_they_happen(server: LeagueServer, script: LeagueScript) -> None:
    held = Held(lambda asked: asked.role == "answer")
    script.bend = held
    await server.runs.CreateRun(create(math_league(3)))
    stream = server.runs.WatchRun(_watch())
    messages: list[run_service_pb2.WatchRunResponse] = []
    async with asyncio.timeout(120):
        async for message in stream:
            messages.append(message)
            # The three questions are told before an answer has come.
            if message.event.progress.done_steps == 3:
                held.let_go()
    assert messages[-1].event.run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED
    assert await stream.code() is grpc.StatusCode.OK


async def test_a_watcher_that_leaves_disturbs_nobody(server: LeagueServer) -> None:
    await server.runs.CreateRun(create(math_league(3)))
    for _ in range(5):
        stream = server.runs.WatchRun(_watch())
        await stream.read()
        stream.cancel()
    events = await server.watch(NAME)
    assert events[-1].event.run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED


async def test_a_token_of_another_run_is_refused(server: LeagueServer) -> None:
    events = await server.play(create(math_league(3)))
    await server.play(create(math_league(3), "math-2"))
    stream = server.runs.WatchRun(_watch("runs/math-2", events[0].resume_token))
    found = await refused(stream.read())
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_TOKEN")


async def test_a_server_that_stops_ends_watches_at_once(tmp_path: Path) -> None:
    """A paused run would be watched for ever."""
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        async with asyncio.timeout(120), league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(3)))
            await eventually(lambda: held.waiting == 3)
            await server.runs.PauseRun(run_service_pb2.PauseRunRequest(name=NAME))
            held.let_go()
            stream = server.runs.WatchRun(_watch())
            await stream.read()


async def test_heartbeats_carry_the_last_token_and_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.app.RunServicer", partial(RunServicer, heartbeat_s=0.05))
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(3)))
        messages: list[run_service_pb2.WatchRunResponse] = []
        async for message in server.runs.WatchRun(_watch()):
            messages.append(message)
            if len(messages) == 5:
                await server.runs.CancelRun(run_service_pb2.CancelRunRequest(name=NAME))
        held.let_go()
    assert messages[-1].event.run_state_changed.state == run_pb2.Run.STATE_CANCELLED
    beats = [n for n, message in enumerate(messages) if not message.HasField("event")]
    assert len(beats) >= 3
    for number in beats:
        assert messages[number].resume_token == messages[number - 1].resume_token


async def test_an_export_is_streamed_by_table(server: LeagueServer) -> None:
    await server.play(create(math_league(3)))
    request = result_service_pb2.ExportRunRequest(name=NAME)
    pieces = [message async for message in server.results.ExportRun(request)]
    tables = list(dict.fromkeys(piece.table for piece in pieces))
    assert tables == [
        *("run", "step", "retried_step", "call", "mark", "event"),
        *("question_case", "execution", "case_run", "dispute"),
    ]
    for table in tables:
        data = b"".join(piece.data for piece in pieces if piece.table == table)
        assert data[:4] == data[-4:] == b"PAR1"
