"""Orders that cross: a player that ends, while its run is set going or changed."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import grpc
import pytest
from llm_crowdsourced.v1 import league_pb2, round_pb2, run_pb2, run_service_pb2

from server.play.player import Player
from server.store.store import Store
from tests.support.league_server import league_server, math_league, settings_for
from tests.support.rounds import create, is_in_state, rounds
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, Held, LeagueScript, eventually

NAME = "runs/math-1"
PAUSED = run_pb2.Run.STATE_PAUSED
SUCCEEDED = run_pb2.Run.STATE_SUCCEEDED


async def test_a_stopped_player_skips_nothing_that_a_retry_has_opened(tmp_path: Path) -> None:
    """p1 judges p2, which failed and is opened, and p3, whose refusal is still to come."""
    held = Held(lambda asked: asked.step == "1/answer/p3")

    async def refused(wait: Awaitable[ScriptedReply]) -> ScriptedReply:
        await wait
        return ScriptedReply(text=None, refusal="I will not.")

    def bend(asked: Asked) -> ScriptedReply | Awaitable[ScriptedReply] | None:
        if asked.step == "1/answer/p2":
            return failure(503, "overloaded")
        wait = held(asked)
        return None if wait is None else refused(wait)

    script = LeagueScript(bend)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(3)))
            await eventually(lambda: held.waiting == 1)
            # As the store tells of it, p2's answer has failed.
            watch = server.runs.WatchRun(run_service_pb2.WatchRunRequest(name=NAME))
            async for message in watch:
                if message.event.step_finished.cause == "server_error":
                    break
            watch.cancel()
            await server.runs.PauseRun(run_service_pb2.PauseRunRequest(name=NAME))
            again = await server.runs.RetryRun(run_service_pb2.RetryRunRequest(name=NAME))
            script.bend = None
            held.let_go()
            await is_in_state(server, SUCCEEDED)
            first = (await rounds(server))[0]
    assert again.reopened_steps == 1
    outcomes = {judgment.judge: judgment.result.outcome for judgment in first.judgments}
    assert outcomes["p1"] == round_pb2.OUTCOME_OK


async def test_of_two_resumptions_at_once_the_second_is_refused(tmp_path: Path) -> None:
    """Answered OK, its budget would have been dropped without a word."""
    script = LeagueScript()
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            few = league_pb2.Budget(max_calls=3)
            await server.runs.CreateRun(create(math_league(3, budget=few)))
            await is_in_state(server, PAUSED)
            requests = [
                run_service_pb2.ResumeRunRequest(
                    name=NAME, budget=league_pb2.Budget(max_calls=most)
                )
                for most in (500, 600)
            ]
            answers = await asyncio.gather(
                *map(server.runs.ResumeRun, requests), return_exceptions=True
            )
            done = await is_in_state(server, SUCCEEDED)
    taken = [answer for answer in answers if isinstance(answer, run_service_pb2.ResumeRunResponse)]
    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert [error.code() for error in refused] == [grpc.StatusCode.FAILED_PRECONDITION]
    assert [answer.run.league.budget for answer in taken] == [done.league.budget]


async def test_a_budget_raised_while_its_player_ends_is_played_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is on its way to disk when the player has ended for want of budget."""
    held = Held(lambda asked: asked.step == "1/question/p1")
    ended = asyncio.Event()
    play, set_limits = Player.play, Store.set_limits

    async def play_to_the_end(self: Player) -> bool:
        finished = await play(self)
        ended.set()
        return finished

    async def set_late(self: Store, *limits: Any) -> Any:
        held.let_go()
        await ended.wait()
        # The run's task has its turns now.
        await asyncio.sleep(0.05)
        return await set_limits(self, *limits)

    monkeypatch.setattr(Player, "play", play_to_the_end)
    monkeypatch.setattr(Store, "set_limits", set_late)
    script = LeagueScript(held)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            few = league_pb2.Budget(max_calls=4)
            await server.runs.CreateRun(create(math_league(3, budget=few)))
            await eventually(lambda: held.waiting == 1)
            more = run_service_pb2.UpdateRunLimitsRequest(
                name=NAME, budget=league_pb2.Budget(max_calls=500)
            )
            answer = await server.runs.UpdateRunLimits(more)
            assert answer.run.state == run_pb2.Run.STATE_RUNNING
            await is_in_state(server, SUCCEEDED)
