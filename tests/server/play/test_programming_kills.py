"""Kill -9 in the middle of executions: replies on record are taken, programs are run again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from llm_crowdsourced.v1 import (
    result_service_pb2,
    result_service_pb2_grpc,
    round_pb2,
    run_pb2,
    run_service_pb2,
    run_service_pb2_grpc,
)

from tests.support.programming_replies import (
    ECHO,
    TEXTS,
    plain,
    program,
    programming_league,
    question,
)
from tests.support.rounds import create
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import Asked, LeagueScript, eventually
from tests.support.server_process import ServerProcess, server_process, settings_file

NAME = "runs/math-1"
CALLS = 18


async def test_a_killed_server_has_lost_nothing_that_was_paid_for(tmp_path: Path) -> None:
    """Kill -9 while a mended question is checked, and while answers are executed."""
    checking, answers = tmp_path / "checking", tmp_path / "answers"
    wrong = [("1\n", "1"), ("2\n", "3"), ("3\n", "3")]

    def waiting_for(path: Path) -> str:
        return (
            f"import os, time\nwhile not os.path.exists({str(path)!r}):\n    time.sleep(0.01)\n"
            + ECHO
        )

    def bend(asked: Asked) -> ScriptedReply:
        if asked.step == "2/question/p2":
            mended = "The data has ended. Your program was run" in asked.request.prompt
            text = TEXTS[1]
            return question(text, waiting_for(checking)) if mended else question(text, cases=wrong)
        return program(waiting_for(answers)) if asked.role == "answer" else plain(asked)

    script = LeagueScript(bend)
    league = programming_league(3)
    for participant in league.participants:
        participant.provider = "own"
    async with script.endpoint() as endpoint:
        settings = settings_file(tmp_path, endpoint.base_url)
        for gate in (checking, answers):
            async with _fake_server(settings) as (server, runs, results):
                if gate is checking:
                    await runs.CreateRun(create(league))
                # All replies are there, those that the programs wait for are not asked for.
                wanted = 4 + 4 if gate is checking else 4 + 6
                await eventually(partial(_asked, script, wanted), 60)
                await eventually(lambda: endpoint.in_flight == 0)
                await _calls_are_kept(results, len(script.asked))
                server.process.kill()
                await server.process.wait()
            gate.touch()
        async with _fake_server(settings) as (_, runs, results):
            async for message in runs.WatchRun(run_service_pb2.WatchRunRequest(name=NAME)):
                last = message
            assert last.event.run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED
            asked = result_service_pb2.GetRoundRequest(
                name=f"{NAME}/rounds/2", view=round_pb2.ROUND_VIEW_FULL
            )
            played = (await results.GetRound(asked)).round
    times = script.times()
    assert times.pop("2/question/p2") == 2
    assert set(times.values()) == {1}
    assert len(times) == CALLS - 1
    assert played.question.check.repairs == 1
    assert "case 2: the reference contradicts" in played.question.check.detail
    assert [a.execution.passed_cases for a in played.answers] == [3, 3]


def _asked(script: LeagueScript, wanted: int) -> bool:
    return len(script.asked) == wanted


@asynccontextmanager
async def _fake_server(settings: Path) -> AsyncIterator[tuple[ServerProcess, Any, Any]]:
    """Starts a server whose sandbox is a fake one; gives it with stubs of two services."""
    async with (
        server_process(settings, module="tests.support.fake_server") as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        runs = run_service_pb2_grpc.RunServiceStub(channel)
        yield server, runs, result_service_pb2_grpc.ResultServiceStub(channel)


async def _calls_are_kept(results: Any, count: int) -> None:
    """Waits until so many calls are on disk."""
    request = result_service_pb2.ListCallsRequest(parent=NAME)
    async with asyncio.timeout(30):
        while len((await results.ListCalls(request)).calls) != count:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
