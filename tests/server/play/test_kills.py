"""A server that is killed at random moments: nothing paid for is asked again, nothing differs.

`make crash-test` kills 50 times; the suite kills a few times.
"""

import asyncio
import hashlib
import os
import random
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import grpc
from llm_crowdsourced.v1 import (
    league_pb2,
    result_service_pb2,
    result_service_pb2_grpc,
    round_pb2,
    run_pb2,
    run_service_pb2,
    run_service_pb2_grpc,
)

from tests.support.league_replies import play_along
from tests.support.league_server import math_league
from tests.support.rounds import create
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, LeagueScript, eventually
from tests.support.server_process import server_process, settings_file

NAME = "runs/math-1"
KILLS = int(os.environ.get("LLM_CROWDSOURCED_CRASH_KILLS", "8"))
PARTICIPANTS = 8
STEPS = 2 * PARTICIPANTS**2 * 2
AT_ONCE = 6
_EVENT = "select sequence, kind, body from event order by sequence"
# All that a run comes to, but for the number of calls and the times.
_TABLES = (
    """select round, role, participant, outcome, cause, detail, reasks, repaired, content
    from step order by all""",
    "select * from mark order by all",
)


def _bend(draw: random.Random) -> Any:
    """Faults that hold on to their step, whoever is killed in between, after random delays."""

    def bend(asked: Asked) -> Awaitable[ScriptedReply]:
        lot = int(hashlib.sha256(asked.step.encode()).hexdigest(), 16) % 10
        again = "held no JSON object" in asked.request.prompt
        reply = play_along(asked.request)
        if lot == 0 and asked.time == 0:
            reply = failure(500)
        elif lot == 1 and not again:
            reply = ScriptedReply(text="Let me think about it for a while.")
        elif lot == 2 and again:
            # Never readable: asked again to the end, each time with another reason.
            reply = ScriptedReply(text="I would rather talk", finish_reason="length")
        elif lot == 2:
            reply = ScriptedReply(text="I would rather talk about the weather.")
        return _later(reply, draw.uniform(0.02, 0.08))

    return bend


async def _later(reply: ScriptedReply, delay_s: float) -> ScriptedReply:
    await asyncio.sleep(delay_s)
    return reply


def _league() -> league_pb2.League:
    league = math_league(PARTICIPANTS, rounds_per_participant=2, max_concurrent_calls=AT_ONCE)
    for participant in league.participants:
        participant.provider = "own"
    return league


@dataclass
class Story:
    """A run over all servers that have played it.

    Attributes:
        events: What one watcher was told, going on from its token at each server.
        rounds: The rounds at the end, without the number of calls.
        standings: The standings at the end.
        tables: What the tables hold at the end.
    """

    folder: Path
    events: list[run_service_pb2.WatchRunResponse] = field(default_factory=list)
    rounds: list[bytes] = field(default_factory=list)
    standings: bytes = b""
    tables: list[Any] = field(default_factory=list)

    async def follow(self, address: str) -> bool:
        """Watches on; says whether the run has ended."""
        token = self.events[-1].resume_token if self.events else ""
        async with grpc.aio.insecure_channel(address) as channel:
            runs = run_service_pb2_grpc.RunServiceStub(channel)
            request = run_service_pb2.WatchRunRequest(name=NAME, resume_token=token)
            try:
                async for message in runs.WatchRun(request):
                    if message.HasField("event"):
                        self.events.append(message)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return False
        return True

    async def end(self, address: str) -> None:
        """Reads what the run has come to."""
        async with grpc.aio.insecure_channel(address) as channel:
            results = result_service_pb2_grpc.ResultServiceStub(channel)
            for index in range(1, 2 * PARTICIPANTS + 1):
                asked = result_service_pb2.GetRoundRequest(name=f"{NAME}/rounds/{index}")
                self.rounds.append(_uncounted((await results.GetRound(asked)).round))
            request = result_service_pb2.GetStandingsRequest(name=NAME)
            standings = await results.GetStandings(request)
            self.standings = standings.SerializeToString(deterministic=True)

    def rows(self, *queries: str) -> list[Any]:
        """Queries a copy of the database: the server's own recovery is left to the server."""
        with tempfile.TemporaryDirectory() as copy:
            for file in self.folder.glob("league.duckdb*"):
                shutil.copy(file, copy)
            with duckdb.connect(str(Path(copy) / "league.duckdb")) as connection:
                return [connection.execute(query).fetchall() for query in queries]


def _uncounted(played: round_pb2.Round) -> bytes:
    """Returns a round without the number of calls: one that a kill cut is made again."""
    for result in (
        played.result,
        *(answer.result for answer in played.answers),
        *(judgment.result for judgment in played.judgments),
    ):
        result.ClearField("calls")
    return played.SerializeToString(deterministic=True)


@dataclass
class Paid:
    """What had been stored when a server was killed.

    Attributes:
        sent: Requests that the endpoint had received by then.
        steps: Steps that were finished.
        replies: Requests that had a stored reply, by step and hash.
    """

    sent: int
    steps: set[str]
    replies: set[tuple[str, str]]

    def check(self, script: LeagueScript) -> None:
        """Holds what was asked for later against what was there."""
        for asked in script.asked[self.sent :]:
            assert asked.step not in self.steps, f"{asked.step} was finished"
            digest = hashlib.sha256(asked.request.raw).hexdigest()
            assert (asked.step, digest) not in self.replies, f"{asked.step} had its reply"


async def _play(folder: Path, seed: int, kills: int) -> tuple[Story, list[Paid], LeagueScript]:
    """Plays a run, killing its servers at random moments, and at most so many of them."""
    draw = random.Random(seed)  # noqa: S311
    script = LeagueScript(_bend(draw))
    story = Story(folder)
    paid: list[Paid] = []
    async with script.endpoint() as endpoint:
        settings = settings_file(folder, endpoint.base_url)
        over = False
        while not over:
            async with server_process(settings) as server:
                if not paid and not script.asked:
                    async with grpc.aio.insecure_channel(server.address) as channel:
                        runs = run_service_pb2_grpc.RunServiceStub(channel)
                        await runs.CreateRun(create(_league()))
                following = asyncio.create_task(story.follow(server.address))
                if len(paid) < kills:
                    goal = len(script.asked) + draw.randint(0, 2 * (STEPS // kills + AT_ONCE))
                    await eventually(partial(_asked, script, goal, following), 300)
                    await asyncio.sleep(draw.uniform(0, 0.1))
                    if not following.done():
                        server.process.kill()
                        await server.process.wait()
                        # It may have come to its end just before.
                        if await following:
                            last = story.events[-1].event.run_state_changed.state
                            assert last == run_pb2.Run.STATE_SUCCEEDED
                        paid.append(_paid(story, len(script.asked)))
                        continue
                async with asyncio.timeout(300):
                    over = await following
                await story.end(server.address)
                assert over
    story.tables = story.rows(*_TABLES)
    return story, paid, script


def _asked(script: LeagueScript, goal: int, following: asyncio.Task[bool]) -> bool:
    return len(script.asked) >= goal or following.done()


def _paid(story: Story, sent: int) -> Paid:
    steps, replies, events = story.rows(
        "select concat_ws('/', round, role, participant) from step",
        "select concat_ws('/', round, role, participant), request_sha256 from call "
        "where outcome <> 'unavailable'",
        _EVENT,
    )
    # Facts and events are of one transaction, and no number is missing.
    assert [row[0] for row in events] == list(range(1, len(events) + 1))
    assert sum(row[1] == "step" for row in events) == len(steps)
    # Nobody was told of what was not on disk.
    assert len(story.events) <= len(events)
    return Paid(sent, {row[0] for row in steps}, {(row[0], row[1]) for row in replies})


async def test_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    wanted, _, _ = await _play(undisturbed, 1, 0)
    left = KILLS
    while left:
        seed = secrets.randbits(32)
        print(f"seed {seed}, {left} kills to go")  # noqa: T201 - shown when the test fails
        folder = tmp_path / str(left)
        folder.mkdir()
        found, paid, script = await _play(folder, seed, left)
        left -= len(paid)
        for each in paid:
            each.check(script)
        _compare(found, wanted)
        again = sum(n - 1 for n in Counter(_key(asked) for asked in script.asked).values())
        print(f"{len(paid)} kills, {len(script.asked)} requests, {again} of them repeats")  # noqa: T201


def _key(asked: Asked) -> tuple[str, bytes]:
    return asked.step, asked.request.raw


def _compare(found: Story, wanted: Story) -> None:
    """Holds a run that was disturbed against one that was not."""
    assert found.tables == wanted.tables
    assert found.rounds == wanted.rounds
    assert found.standings == wanted.standings
    events = [message.event for message in found.events]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    steps = [event.step_finished for event in events if event.HasField("step_finished")]
    assert len(steps) == STEPS
    assert len({(step.round, step.role, step.participant) for step in steps}) == STEPS
    assert [event.progress.done_steps for event in events if event.HasField("step_finished")] == (
        list(range(1, STEPS + 1))
    )
    assert events[-1].run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED
    last, same = events[-1].progress, wanted.events[-1].event.progress
    for name in ("done_steps", "ok_steps", "total_steps", "marks", "failures"):
        assert getattr(last, name) == getattr(same, name), name
