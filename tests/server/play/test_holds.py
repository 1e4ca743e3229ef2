"""A provider that asks to wait for minutes looks like a hang, unless it is told until when and why."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import model_service_pb2, run_pb2, run_service_pb2

from server.models.pacing import Pacer
from server.rpc.run_service import RunServicer
from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create, is_in_state
from tests.support.scripted_chat import Clock, ScriptedChat
from tests.support.scripted_endpoint import failure
from tests.support.scripted_league import LeagueScript

NAME = "runs/math-1"
WAIT = failure(429, "too many today", headers={"Retry-After": "200"})


async def _provider(server: LeagueServer) -> model_service_pb2.Provider:
    listed = await server.models.ListModels(model_service_pb2.ListModelsRequest())
    return listed.providers[0]


async def _notice(server: LeagueServer) -> str:
    """Returns the first notice that a watcher gets, of heartbeats that come often."""
    stream = server.runs.WatchRun(run_service_pb2.WatchRunRequest(name=NAME))
    async with asyncio.timeout(120):
        async for message in stream:
            if message.notice:
                stream.cancel()
                return message.notice
    raise AssertionError("the watch ended")


async def test_until_when_a_provider_is_sent_nothing_is_told_to_all_who_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.app.RunServicer", partial(RunServicer, heartbeat_s=0.05))
    script = LeagueScript(lambda _: WAIT)
    begun = datetime.now(UTC)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            assert not (await _provider(server)).HasField("held_until")
            await server.runs.CreateRun(create(math_league(3)))
            notice = await _notice(server)
            held = await _provider(server)
            assert (await is_in_state(server, run_pb2.Run.STATE_RUNNING)).state_reason == ""
            await server.runs.CancelRun(run_service_pb2.CancelRunRequest(name=NAME))
    until = held.held_until.ToDatetime(UTC)
    assert 200 <= (until - begun).total_seconds() < 400
    assert held.hold_reason == "too many requests (HTTP 429: too many today)"
    assert notice == (
        f'provider "scripted" asked to wait until {until:%H:%M:%S} UTC ({held.hold_reason})'
    )
    # It can be reached, it is only not called.
    assert held.reachable


async def test_a_hold_ends_by_itself_and_the_longest_counts() -> None:
    clock = Clock()
    pacer = Pacer(max_concurrent=1, clock=clock)
    assert pacer.held is None
    pacer.hold(20, "first")
    pacer.hold(5, "shorter")
    assert pacer.held is not None
    assert pacer.held.why == "first"
    pacer.hold(30, "longer")
    assert pacer.held.why == "longer"
    await clock.sleep(30)
    assert pacer.held is None


async def test_why_a_provider_is_held_holds_no_key() -> None:
    reply = failure(429, "sk-very-secret-key has had too much", headers={"Retry-After": "9"})
    async with ScriptedChat(reply, secret="sk-very-secret-key") as chat:  # noqa: S106 - not real
        await chat.ask()
        assert chat.pacer.held is not None
        assert "[key] has had too much" in chat.pacer.held.why
