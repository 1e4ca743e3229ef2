"""A server that stops or dies in the middle: the next one goes on by itself."""

import asyncio
import json
import signal
from pathlib import Path

import grpc
import pytest
from llm_crowdsourced.v1 import run_pb2, run_service_pb2, run_service_pb2_grpc

from server.league.league import Subject
from server.league.outcome import Outcome
from server.league.prompts import load_prompts
from server.play.requests import Requests, as_kept
from server.store.store import Store
from tests.support.league_server import league_server, math_league, settings_for
from tests.support.leagues import record_league
from tests.support.rounds import calls, create, marks, rounds, run
from tests.support.scripted_league import Held, LeagueScript, eventually
from tests.support.server_process import server_process, settings_file
from tests.support.store_records import QUESTION, call, new_run

NAME = "runs/math-1"


@pytest.mark.parametrize("role", ["question", "answer", "judgment"])
async def test_a_stopped_server_waits_for_calls_and_the_next_one_goes_on(
    tmp_path: Path, role: str
) -> None:
    held = Held(lambda asked: asked.role == role and asked.round == 2)
    script = LeagueScript(held)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(4)))
            await asyncio.wait_for(held.arrived.wait(), 120)
            # Let go only once the server stops: it waits for what is under way.
            asyncio.get_running_loop().call_later(0.1, held.let_go)
        async with league_server(settings) as server:
            events = await server.watch(NAME)
            ended = await run(server)
            played = await rounds(server)
    assert ended.state == run_pb2.Run.STATE_SUCCEEDED
    # Not one step was asked for twice, and no number is missing among the events.
    assert set(script.times().values()) == {1}
    assert len(script.asked) == ended.progress.calls == 32
    assert len(marks(played)) == 36
    assert [m.event.sequence for m in events] == list(range(1, len(events) + 1))


async def test_calls_that_outlast_the_grace_are_asked_for_again_and_no_others(
    tmp_path: Path,
) -> None:
    held = Held(lambda asked: asked.step == "1/answer/p2")
    script = LeagueScript(held)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        hurried = settings.server.model_copy(update={"grace_s": 0})
        async with league_server(settings.model_copy(update={"server": hurried})) as server:
            await server.runs.CreateRun(create(math_league(4)))
            await eventually(lambda: len(script.asked) == 32 - 3)
            # All that can come has come, and is kept.
            async for message in server.runs.WatchRun(run_service_pb2.WatchRunRequest(name=NAME)):
                if message.event.progress.done_steps == 32 - 4:
                    break
        held.let_go()
        async with league_server(settings) as server:
            await server.watch(NAME)
            assert (await run(server)).state == run_pb2.Run.STATE_SUCCEEDED
    times = script.times()
    assert times.pop("1/answer/p2") == 2
    assert set(times.values()) == {1}


async def test_a_killed_server_has_lost_no_finished_step(tmp_path: Path) -> None:
    """Kill -9 in the middle; only calls that were under way are asked for again."""
    held = Held(lambda asked: asked.role == "judgment" and asked.round > 1)
    script = LeagueScript(held)
    league = math_league(4)
    for participant in league.participants:
        participant.provider = "own"
    async with script.endpoint() as endpoint:
        settings = settings_file(tmp_path, endpoint.base_url)
        async with server_process(settings) as server:
            async with grpc.aio.insecure_channel(server.address) as channel:
                stub = run_service_pb2_grpc.RunServiceStub(channel)
                await stub.CreateRun(create(league))
                await eventually(lambda: held.waiting == 12)
                # 20 steps are finished once their events are told.
                stream = stub.WatchRun(run_service_pb2.WatchRunRequest(name=NAME))
                async for message in stream:
                    if message.event.progress.done_steps == 20:
                        break
                stream.cancel()
            server.process.send_signal(signal.SIGKILL)
            await server.process.wait()
        held.let_go()
        async with (
            server_process(settings) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            stub = run_service_pb2_grpc.RunServiceStub(channel)
            async for message in stub.WatchRun(run_service_pb2.WatchRunRequest(name=NAME)):
                last = message
    assert last.event.run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED
    again = {step for step, times in script.times().items() if times > 1}
    assert all("judgment" in step and not step.startswith("1/") for step in again)
    assert len(script.times()) == 32


async def _prepare(database: Path, **values: object) -> None:
    """Makes a run whose first step has a call on record and no result."""
    prompts = load_prompts(Subject.MATH)
    made = new_run(
        league=record_league(3), prompts_sha256=prompts.sha256, prompts=dict(prompts.texts)
    )
    with Store(database) as store:
        await store.create_run(made)
        asked = Requests("math-1", made.league, prompts).question(QUESTION)
        await store.record_call("math-1", call(QUESTION, **{"prompt": as_kept(asked), **values}))


async def test_a_stored_reply_is_read_and_not_asked_for_again(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    await _prepare(database, raw_reply=json.dumps({"problem": "What is 2+2?", "answer": "4"}))
    script = LeagueScript()
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, database)) as server,
    ):
        await server.watch(NAME)
        played = await rounds(server)
    assert script.times()["1/question/p1"] == 0
    assert len(script.asked) == 17
    assert played[0].question.text == "What is 2+2?"
    assert played[0].result.calls == 1


async def test_a_stored_reply_that_cannot_be_read_is_asked_for_with_its_reason(
    tmp_path: Path,
) -> None:
    database = tmp_path / "a.duckdb"
    await _prepare(database, raw_reply="no question comes to mind")
    script = LeagueScript()
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, database)) as server,
    ):
        await server.watch(NAME)
        played = await rounds(server)
    (asked,) = [a for a in script.asked if a.step == "1/question/p1"]
    assert "held no JSON object" in asked.request.prompt
    assert (played[0].result.reasks, played[0].result.calls) == (1, 2)


async def test_a_stored_reply_to_another_prompt_is_not_taken(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    reply = json.dumps({"problem": "What is 2+2?", "answer": "4"})
    await _prepare(database, raw_reply=reply, prompt='[{"role": "user", "content": "Other"}]')
    script = LeagueScript()
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, database)) as server,
    ):
        await server.watch(NAME)
        played = await rounds(server)
    assert script.times()["1/question/p1"] == 1
    assert played[0].question.text != "What is 2+2?"
    assert played[0].result.calls == 2


async def test_a_stored_failure_is_tried_again_under_the_next_number(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    await _prepare(database, outcome=Outcome.UNAVAILABLE, cause="timeout", http_status=None)
    script = LeagueScript()
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, database)) as server,
    ):
        await server.watch(NAME)
        made = [c for c in await calls(server) if (c.round, c.role) == (1, 1)]
    assert script.times()["1/question/p1"] == 1
    assert [(c.ask, c.attempt) for c in made] == [(0, 0), (0, 1)]


async def test_a_paused_run_stays_paused_over_a_restart(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(3)))
            await eventually(lambda: held.waiting == 3)
            await server.runs.PauseRun(run_service_pb2.PauseRunRequest(name=NAME))
            held.let_go()
        async with league_server(settings) as server:
            assert (await run(server)).state == run_pb2.Run.STATE_PAUSED
            assert len(script.asked) == 3
            await server.runs.ResumeRun(run_service_pb2.ResumeRunRequest(name=NAME))
            await server.watch(NAME)
    assert set(script.times().values()) == {1}


async def test_a_server_that_does_not_play_takes_nothing_up(tmp_path: Path) -> None:
    await _prepare(tmp_path / "a.duckdb")
    script = LeagueScript()
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings, playing=False) as server:
            assert (await run(server)).state == run_pb2.Run.STATE_PENDING
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await server.runs.CreateRun(create(math_league(3), "math-2"))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert script.asked == []
