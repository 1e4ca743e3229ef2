"""A programming league that is paused, stopped, cancelled, judged again and retried.

Its programs run on this host; what is paid for is never asked for twice, and what was
executed is executed again only where its step had not come to an end.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from llm_crowdsourced.v1 import (
    league_pb2,
    round_pb2,
    run_pb2,
    run_service_pb2,
)

from sandbox.model import Job, Result
from tests.support.fake_runner import FakeRunner
from tests.support.league_server import LeagueServer, league_server, settings_for
from tests.support.programming_replies import (
    ECHO,
    by_evidence,
    judgment,
    plain,
    program,
    programming_league,
    shown,
)
from tests.support.rounds import create, is_in_state, outcomes, rounds, run
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, LeagueScript, eventually
from tests.support.wire import refused

NAME = "runs/math-1"
PAUSED, SUCCEEDED = run_pb2.Run.STATE_PAUSED, run_pb2.Run.STATE_SUCCEEDED
PAUSE = run_service_pb2.PauseRunRequest(name=NAME)
RESUME = run_service_pb2.ResumeRunRequest(name=NAME)
CANCEL = run_service_pb2.CancelRunRequest(name=NAME)
# Three participants: 3 questions, 6 answers, 9 judgments; each reference runs twice.
CALLS, EXECUTIONS = 18, 12
GONE = "Docker does not answer; start it"
ANSWER = "print(input())  # an answer\n"


def answering(asked: Asked) -> ScriptedReply:
    """Answers with a program that can be told from the references."""
    return program(ANSWER) if asked.role == "answer" else plain(asked)


def is_answer(job: Job) -> bool:
    return job.program.source == ANSWER


@pytest.fixture
def script() -> LeagueScript:
    return LeagueScript(answering)


def _settings(endpoint: Any, folder: Path, grace_s: float = 5) -> Any:
    settings = settings_for(endpoint, folder / "a.duckdb", max_retries=0)
    return settings.model_copy(
        update={"server": settings.server.model_copy(update={"grace_s": grace_s})}
    )


async def _is_whole(server: LeagueServer, script: LeagueScript) -> None:
    """Checks that a run has ended with all that it should have, each paid for once."""
    ended = await is_in_state(server, SUCCEEDED)
    played = await rounds(server)
    assert outcomes(played) == {"question OK": 3, "answer OK": 6, "judgment OK": 9}
    assert set(script.times().values()) == {1}
    assert len(script.asked) == ended.progress.calls == CALLS
    for r in played:
        assert r.question.check.verified
        assert len(r.question.check.cases) == 3
        assert [a.execution.passed_cases for a in r.answers] == [3, 3]


async def test_a_pause_ends_programs_and_resuming_runs_them_again(
    tmp_path: Path, script: LeagueScript
) -> None:
    hold = asyncio.Event()
    runner = FakeRunner(hold=hold)
    async with (
        script.endpoint() as endpoint,
        league_server(_settings(endpoint, tmp_path), runner=runner) as server,
    ):
        await server.runs.CreateRun(create(programming_league(3)))
        await runner.until(lambda: len(runner.begun) == 6)
        assert (await server.runs.PauseRun(PAUSE)).run.state == PAUSED
        # Nobody lets them go on.
        async with asyncio.timeout(120):
            await runner.until(lambda: len(runner.ended) == 6)
        hold.set()
        await server.runs.ResumeRun(RESUME)
        await _is_whole(server, script)
    assert len(runner.begun) == 6 + EXECUTIONS


@pytest.mark.parametrize("of_answers", [False, True], ids=["references", "answers"])
async def test_a_server_that_stops_before_programs_end_has_them_run_again(
    tmp_path: Path, script: LeagueScript, of_answers: bool
) -> None:
    """The replies are on record and are taken; what they hold is executed once more."""
    async with script.endpoint() as endpoint:
        held = _HeldRunner(is_answer if of_answers else lambda job: not is_answer(job))
        async with league_server(_settings(endpoint, tmp_path, 0), runner=held) as server:
            await server.runs.CreateRun(create(programming_league(3)))
            await held.until(lambda: sum(map(is_answer, held.begun)) == 6 * of_answers)
            await held.until(lambda: len(held.begun) - len(held.ended) == 6)
        sent = len(script.asked)
        assert sent == (9 if of_answers else 3)
        runner = FakeRunner()
        async with league_server(_settings(endpoint, tmp_path), runner=runner) as server:
            await _is_whole(server, script)
    assert sum(map(is_answer, runner.begun)) == 6
    # Questions whose step had ended are not checked again.
    assert len(runner.begun) == (6 if of_answers else EXECUTIONS)


class _HeldRunner(FakeRunner):
    """Holds chosen programs for ever."""

    def __init__(self, chosen: Callable[[Job], bool]) -> None:
        super().__init__()
        self._chosen = chosen

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        if not self._chosen(job):
            async for result in super().execute(job):
                yield result
            return
        self.begun.append(job)
        self._tell()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(job)
            self._tell()


async def test_without_a_sandbox_no_run_is_created_and_estimates_say_why(
    tmp_path: Path, script: LeagueScript
) -> None:
    runner = FakeRunner(GONE)
    league = programming_league(3)
    async with (
        script.endpoint() as endpoint,
        league_server(_settings(endpoint, tmp_path), runner=runner) as server,
    ):
        refusal = await refused(server.runs.CreateRun(create(league)))
        estimate = run_service_pb2.EstimateRunRequest(league=league)
        told = await server.runs.EstimateRun(estimate)
        runner.unavailable = ""
        assert not (await server.runs.EstimateRun(estimate)).refusals
        listed = await server.runs.ListRuns(run_service_pb2.ListRunsRequest())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SANDBOX_UNAVAILABLE")
    assert refusal.message == f"a programming league needs the sandbox: {GONE}"
    assert list(told.refusals) == [refusal.message]
    assert told.calls == CALLS
    assert not listed.runs
    assert not script.asked


@pytest.mark.parametrize("role", ["question", "answer"])
async def test_a_sandbox_that_goes_away_pauses_the_run_with_the_reason(
    tmp_path: Path, role: str
) -> None:
    runner = FakeRunner()

    def bend(asked: Asked) -> ScriptedReply:
        if asked.role == role:
            runner.unavailable = GONE
        return plain(asked)

    script = LeagueScript(bend)
    async with (
        script.endpoint() as endpoint,
        league_server(_settings(endpoint, tmp_path), runner=runner) as server,
    ):
        await server.runs.CreateRun(create(programming_league(3)))
        paused = await is_in_state(server, PAUSED)
        assert paused.state_reason == (
            f"{GONE}; when that is mended, resume the run: runs.py resume math-1"
        )
        await eventually(lambda: endpoint.in_flight == 0)
        script.bend = plain
        # Too early: it says the same again, and loses nothing.
        await server.runs.ResumeRun(RESUME)
        assert (await _paused_again(server, 2)) == paused.state_reason
        runner.unavailable = ""
        await server.runs.ResumeRun(RESUME)
        await _is_whole(server, script)


async def _paused_again(server: LeagueServer, times: int) -> str:
    """Waits until a run has been paused so often; returns the reason."""
    async with asyncio.timeout(120):
        async for message in server.runs.WatchRun(run_service_pb2.WatchRunRequest(name=NAME)):
            changed = message.event.run_state_changed
            times -= changed.state == PAUSED
            if not times:
                return changed.reason
    raise AssertionError("it did not pause again")


async def test_cancelling_stops_the_programs(tmp_path: Path) -> None:
    sleeps = "import time\ntime.sleep(600)\n"
    script = LeagueScript(lambda a: program(sleeps) if a.role == "answer" else plain(a))
    runner = FakeRunner()
    async with (
        script.endpoint() as endpoint,
        league_server(_settings(endpoint, tmp_path), runner=runner) as server,
    ):
        await server.runs.CreateRun(create(programming_league(3)))
        await runner.until(lambda: any(job.program.source == sleeps for job in runner.begun))
        await server.runs.CancelRun(CANCEL)
        await is_in_state(server, run_pb2.Run.STATE_CANCELLED)
        assert len(runner.ended) == len(runner.begun)
        played = await rounds(server)
    assert all(r.question.check.verified for r in played if r.HasField("question"))


@pytest.mark.parametrize("view", [league_pb2.EVIDENCE_VIEW_SHOWN, league_pb2.EVIDENCE_VIEW_HIDDEN])
async def test_judging_again_executes_nothing_and_shows_or_hides_evidence(
    tmp_path: Path, view: league_pb2.EvidenceView.ValueType
) -> None:
    def bend(asked: Asked) -> ScriptedReply:
        if asked.role == "judgment":
            hidden = "You are not told what the programs did" in asked.request.prompt
            return judgment(asked.request, (lambda _: 10.0) if hidden else by_evidence)
        wrong = asked.step == "1/answer/p2"
        return program("print(7)\n") if wrong else plain(asked)

    script = LeagueScript(bend)
    runner = FakeRunner()
    async with (
        script.endpoint() as endpoint,
        league_server(_settings(endpoint, tmp_path), runner=runner) as server,
    ):
        await server.play(create(programming_league(3)))
        before = await rounds(server)
        first = {a.step: a.request.prompt for a in script.of("judgment")}
        script.asked.clear()
        # No program is to be run, so none needs a sandbox.
        runner.unavailable = GONE
        request = run_service_pb2.RejudgeRunRequest(name=NAME, run_id="again-1", evidence=view)
        await server.runs.RejudgeRun(request)
        await server.watch("runs/again-1")
        after = await rounds(server, "runs/again-1")
        found = await run(server, "runs/again-1")
    assert len(runner.begun) == EXECUTIONS
    assert found.league.programming.evidence == view
    assert {a.role for a in script.asked} == {"judgment"}
    for old, new in zip(before, after, strict=True):
        assert old.question == new.question
        assert [a.execution for a in old.answers] == [a.execution for a in new.answers]
    again = {a.step: a.request for a in script.asked}
    assert again.keys() == first.keys()
    scores = {mark.score for r in after for j in r.judgments for mark in j.marks}
    if view == league_pb2.EVIDENCE_VIEW_SHOWN:
        assert {step: request.prompt for step, request in again.items()} == first
        assert scores == {0.0, 100.0}
        return
    assert scores == {10.0}
    for hidden in again.values():
        data = shown(hidden)
        assert "check_of_reference" not in data
        assert all(set(e) == {"approach", "language", "code"} for e in data["programs"].values())


async def test_an_answer_that_is_asked_again_is_executed_and_may_end_a_dispute(
    tmp_path: Path,
) -> None:
    """Without p4, two of three agree against the reference; with it, two of four."""
    broken = "print(\n"
    codes = {"p2": "print(9)\n", "p3": "print(9)\n", "p4": ECHO, "p5": ECHO}

    def bend(asked: Asked) -> ScriptedReply:
        if asked.step == "1/answer/p4" and asked.time == 0:
            return failure(503)
        if asked.role == "answer" and asked.round == 1:
            return program(codes[asked.participant])
        if asked.role == "answer" and asked.round == 2:
            return program(broken)
        return plain(asked)

    script = LeagueScript(bend)
    runner = FakeRunner()
    async with (
        script.endpoint() as endpoint,
        league_server(_settings(endpoint, tmp_path), runner=runner) as server,
    ):
        await server.play(create(programming_league(5)))
        executed = len(runner.begun)
        before = (await rounds(server))[0]
        await server.runs.RetryRun(run_service_pb2.RetryRunRequest(name=NAME))
        await is_in_state(server, SUCCEEDED)
        played = await rounds(server)
    assert len(runner.begun) == executed + 1
    after = played[0]
    assert list(before.question.check.disputed_cases) == [f"case {n}" for n in (1, 2, 3)]
    assert not before.answers[0].execution.HasField("pass_rate")
    assert not after.question.check.disputed_cases
    assert [a.execution.pass_rate for a in after.answers] == [0, 0, 1, 1]
    late = after.answers[2]
    assert (late.result.outcome, late.execution.passed_cases) == (round_pb2.OUTCOME_OK, 3)
    # Judges are not asked again: those of this round were shown that no case counts.
    assert [j.evidence_outdated for j in before.judgments] == [False] * 5
    outdated = [[j.evidence_outdated for j in round_.judgments] for round_ in played]
    assert outdated == [[True] * 5, *[[False] * 5] * 4]
    # Nothing that compiles agrees on anything where nothing compiles.
    assert not played[1].question.check.disputed_cases
    assert [a.execution.pass_rate for a in played[1].answers] == [0] * 4


async def test_a_retry_that_is_cancelled_leaves_disputes_as_they_were(tmp_path: Path) -> None:
    """The answer that was to end one never came."""
    retried, never = asyncio.Event(), asyncio.Event()

    async def hold() -> ScriptedReply:
        retried.set()
        await never.wait()
        return program(ECHO)

    def bend(asked: Asked) -> ScriptedReply | Awaitable[ScriptedReply]:
        if asked.step == "1/answer/p4":
            return failure(503) if asked.time == 0 else hold()
        if asked.role == "answer" and asked.round == 1:
            return program("print(9)\n")
        return plain(asked)

    script = LeagueScript(bend)
    async with (
        script.endpoint() as endpoint,
        league_server(_settings(endpoint, tmp_path), runner=FakeRunner()) as server,
    ):
        await server.play(create(programming_league(4)))
        before = (await rounds(server))[0]
        await server.runs.RetryRun(run_service_pb2.RetryRunRequest(name=NAME))
        await retried.wait()
        await server.runs.CancelRun(CANCEL)
        await is_in_state(server, run_pb2.Run.STATE_CANCELLED)
        after = (await rounds(server))[0]
        never.set()
    assert list(after.question.check.disputed_cases) == [f"case {n}" for n in (1, 2, 3)]
    assert after.question == before.question
    rates = [a.execution.HasField("pass_rate") for a in after.answers]
    assert not any(rates)
