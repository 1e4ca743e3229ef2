"""Kill -9 in the middle of executions: replies on record are taken, programs are run again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
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
from tests.support.scripted_endpoint import ScriptedEndpoint, ScriptedReply
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
                await _kill_once_asked(server, results, script, endpoint, wanted)
            gate.touch()
        async with _fake_server(settings) as (_, runs, results):
            played = await _second_round_once_played(runs, results)
    times = script.times()
    assert times.pop("2/question/p2") == 2
    assert set(times.values()) == {1}
    assert len(times) == CALLS - 1
    assert played.question.check.repairs == 1
    assert "case 2: the reference contradicts" in played.question.check.detail
    assert [a.execution.passed_cases for a in played.answers] == [3, 3]


@pytest.mark.parametrize("now", ["Tuesday", ""], ids=["another reason", "no fault"])
async def test_a_repair_on_record_is_taken_though_the_programs_do_otherwise(
    tmp_path: Path, now: str
) -> None:
    """Kill -9 while the mended question is checked: what the first is found to do has changed."""
    going, day = tmp_path / "going", tmp_path / "day"
    day.write_text("Monday")
    names_the_day = (
        f"day = open({str(day)!r}).read()\nif day:\n    raise SystemExit('log of ' + day)\n{ECHO}"
    )
    waits = (
        f"import os, time\nwhile not os.path.exists({str(going)!r}):\n    time.sleep(0.01)\n{ECHO}"
    )

    def bend(asked: Asked) -> ScriptedReply:
        if asked.step != "2/question/p2":
            return plain(asked)
        if not asked.time:
            return question(TEXTS[1], names_the_day)
        # It cannot be read, and is asked for again.
        return ScriptedReply(text="Sorry.") if asked.time == 1 else question(TEXTS[1], waits)

    script = LeagueScript(bend)
    league = programming_league(3)
    for participant in league.participants:
        participant.provider = "own"
    async with script.endpoint() as endpoint:
        settings = settings_file(tmp_path, endpoint.base_url)
        async with _fake_server(settings) as (server, runs, results):
            await runs.CreateRun(create(league))
            # All but the answers and judgments of round 2, and its question three times.
            await _kill_once_asked(server, results, script, endpoint, CALLS - 5 + 2)
        day.write_text(now)
        going.touch()
        async with _fake_server(settings) as (_, runs, results):
            played = await _second_round_once_played(runs, results)
    times = script.times()
    assert times.pop("2/question/p2") == 3
    assert set(times.values()) == {1}
    # The mended version is played, and what its setter was told is what it was told then.
    check = played.question.check
    assert (played.question.reference_answer, check.repairs) == (waits, 1)
    assert "log of Monday" in check.detail
    assert played.result.reasks == 1


async def _kill_once_asked(
    server: ServerProcess,
    results: "result_service_pb2_grpc.ResultServiceAsyncStub",
    script: LeagueScript,
    endpoint: ScriptedEndpoint,
    wanted: int,
) -> None:
    """Kills a server once so many calls were asked for, and all their replies are kept."""
    await eventually(partial(_asked, script, wanted))
    await eventually(lambda: endpoint.in_flight == 0)
    await _calls_are_kept(results, len(script.asked))
    server.process.kill()
    await server.process.wait()


async def _second_round_once_played(
    runs: "run_service_pb2_grpc.RunServiceAsyncStub",
    results: "result_service_pb2_grpc.ResultServiceAsyncStub",
) -> round_pb2.Round:
    """Watches the run to its success, and returns its second round."""
    async for message in runs.WatchRun(run_service_pb2.WatchRunRequest(name=NAME)):
        last = message
    assert last.event.run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED
    request = result_service_pb2.GetRoundRequest(
        name=f"{NAME}/rounds/2", view=round_pb2.ROUND_VIEW_FULL
    )
    return (await results.GetRound(request)).round


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
    async with asyncio.timeout(120):
        while len((await results.ListCalls(request)).calls) != count:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
