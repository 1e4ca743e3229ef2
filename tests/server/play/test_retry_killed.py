"""A retry whose server is killed at random moments comes to the same, and asks nothing twice."""

import asyncio
import contextlib
import random
import secrets
from collections import Counter
from functools import partial
from pathlib import Path

import duckdb
import grpc
from llm_crowdsourced.v1 import run_pb2, run_service_pb2, run_service_pb2_grpc

from tests.support.league_replies import play_along
from tests.support.league_server import math_league
from tests.support.rounds import create
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import Asked, Bend, LeagueScript, eventually
from tests.support.server_process import server_process, settings_file

NAME = "runs/math-1"
KILLS = 4
UNREADABLE = ScriptedReply(text="I have no opinion.")
FAILING = {"1/answer/p2", "2/question/p2", "3/judgment/p1", "4/answer/p1"}
# The failing four, and the void round's three answers and four judgments.
OPENED = 4 + 3 + 4
KEY = "concat_ws('/', round, role, participant)"


async def _until_succeeded(address: str) -> run_pb2.Run:
    request = run_service_pb2.GetRunRequest(name=NAME)
    async with grpc.aio.insecure_channel(address) as channel:
        runs = run_service_pb2_grpc.RunServiceStub(channel)
        found: list[run_pb2.Run] = []

        async def ended() -> bool:
            found.append((await runs.GetRun(request)).run)
            return found[-1].state == run_pb2.Run.STATE_SUCCEEDED

        async with asyncio.timeout(300):
            while not await ended():  # noqa: ASYNC110 - asked over the wire
                await asyncio.sleep(0.005)
    return found[-1]


def _rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(folder / "league.duckdb")) as connection:
        return connection.execute(sql).fetchall()


async def test_a_killed_retry_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    draw = random.Random(seed)  # noqa: S311 - no secret depends on it
    script = LeagueScript(lambda asked: UNREADABLE if asked.step in FAILING else None)
    league = math_league(4, max_concurrent_calls=2)
    for participant in league.participants:
        participant.provider = "own"
    async with script.endpoint() as endpoint:
        settings = settings_file(tmp_path, endpoint.base_url)
        async with server_process(settings) as server:
            async with grpc.aio.insecure_channel(server.address) as channel:
                runs = run_service_pb2_grpc.RunServiceStub(channel)
                await runs.CreateRun(create(league))
                before = await _until_succeeded(server.address)
                first = len(script.asked)
                script.bend = _later(draw)
                again = await runs.RetryRun(run_service_pb2.RetryRunRequest(name=NAME))
            server.process.kill()
            await server.process.wait()
        stored: set[object] = set()
        for kill in range(KILLS):
            asked = len(script.asked)
            async with server_process(settings) as server:
                playing = asyncio.create_task(_until_succeeded(server.address))
                if kill < KILLS - 1:
                    goal = asked + draw.randint(0, 2)
                    # On a busy machine it may be over before it is killed.
                    await eventually(partial(_asked, script, goal, playing))
                    server.process.kill()
                    await server.process.wait()
                    with contextlib.suppress(grpc.aio.AioRpcError):
                        await playing
                else:
                    ended = await playing
            for each in script.asked[asked:]:
                assert each.step not in stored, f"{each.step} had its reply"
            stored = {row[0] for row in _rows(tmp_path, f"select {KEY} from step")}  # noqa: S608
    assert (again.reopened_steps, again.unskipped_steps) == (4, OPENED - 4)
    assert (before.progress.failed_steps, ended.progress.failed_steps) == (4, 0)
    assert ended.progress.done_steps == len(stored) == 32
    assert {a.step for a in script.asked[first:]} >= FAILING
    (kept,) = _rows(tmp_path, "select count(*), max(retry), max(asks) from retried_step")
    assert kept == (OPENED, 1, 3)
    events = _rows(tmp_path, "select sequence, kind from event order by sequence")
    assert [row[0] for row in events] == list(range(1, len(events) + 1))
    kinds = Counter(row[1] for row in events)
    assert (kinds["step"], kinds["reopened"]) == (32 + OPENED, 1)
    # The progress that the events told is what the tables hold.
    calls = _rows(tmp_path, "select count(*), sum(charged_tokens) from call")
    assert calls == [(ended.progress.calls, ended.progress.charged_tokens)]


def _asked(script: LeagueScript, goal: int, playing: "asyncio.Task[run_pb2.Run]") -> bool:
    return len(script.asked) >= goal or playing.done()


def _later(draw: random.Random) -> Bend:
    def bend(asked: Asked) -> ScriptedReply:
        return ScriptedReply(**{**vars(play_along(asked.request)), "delay_s": draw.uniform(0, 0.1)})

    return bend
