"""What a programming league holds of its rounds: of those that are played, while they are."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from llm_crowdsourced.v1 import run_pb2, run_service_pb2

from sandbox.model import Job, Result
from sandbox.runner import QueueFullError
from server.play.programming import Programming
from tests.support.fake_runner import FakeRunner
from tests.support.league_server import league_server, settings_for
from tests.support.programming_replies import plain, programming_league
from tests.support.rounds import create, is_in_state, outcomes, rounds
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, LeagueScript

NAME = "runs/math-1"
SUCCEEDED = run_pb2.Run.STATE_SUCCEEDED


async def test_only_rounds_with_something_left_are_taken_up_and_none_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_up: list[int] = []
    subjects: list[Programming] = []
    take_up = Programming.take_up

    async def watched(self: Programming, round_index: int) -> None:
        taken_up.append(round_index)
        subjects.append(self)
        await take_up(self, round_index)
        assert _held(self)

    monkeypatch.setattr(Programming, "take_up", watched)

    def bend(asked: Asked) -> ScriptedReply:
        if asked.step == "3/judgment/p1" and asked.time == 0:
            return failure(500)
        return plain(asked)

    script = LeagueScript(bend)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings, runner=FakeRunner()) as server:
            await server.runs.CreateRun(create(programming_league(3)))
            await is_in_state(server, SUCCEEDED)
            assert taken_up == []
            await server.runs.RetryRun(run_service_pb2.RetryRunRequest(name=NAME))
            await is_in_state(server, SUCCEEDED)
            ended = outcomes(await rounds(server))
    assert ended == {"question OK": 3, "answer OK": 6, "judgment OK": 9}
    assert taken_up == [3]
    assert not _held(subjects[0])


async def test_a_server_that_stops_while_the_sandbox_is_full_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    refused = asyncio.Event()

    class FullRunner(FakeRunner):
        async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
            refused.set()
            raise QueueFullError("it is full")
            yield job

    script = LeagueScript(plain)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings, runner=FullRunner()) as server:
            await server.runs.CreateRun(create(programming_league(3)))
            await refused.wait()
        # It was not paused for that, so it is taken up by itself.
        async with league_server(settings, runner=FakeRunner()) as server:
            await is_in_state(server, SUCCEEDED)
    assert set(script.times().values()) == {1}


def _held(subject: Programming) -> set[int]:
    """Returns the rounds of which a subject holds cases, executions or disputes."""
    state: dict[str, Any] = vars(subject)
    return {index for name in ("_cases", "_executions", "_disputed") for index in state[name]}
