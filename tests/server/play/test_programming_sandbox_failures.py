"""The sandbox fails on programs: the run waits, unless it fails on one program alone."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import execution_pb2, round_pb2, run_pb2, run_service_pb2

from sandbox.model import CaseResult, CompileResult, Job, Result, Verdict
from sandbox.runner import SandboxError, UnavailableError
from server.league.programs import Code, GivenCase, ProgrammingQuestion
from server.play.checking import check
from server.play.executing import Executing
from tests.support.fake_runner import FakeRunner
from tests.support.league_server import league_server, settings_for
from tests.support.programming_replies import ECHO, plain, program, programming_league
from tests.support.rounds import create, is_in_state, outcomes, rounds
from tests.support.scripted_league import LeagueScript

ANSWER = "print(input())  # an answer\n"
LOST = "its container was lost 2 times: no greeting"
Fails = Callable[[], Result]


def _on_case() -> Result:
    return CaseResult(name="case 1", verdict=Verdict.SANDBOX_ERROR, detail=LOST)


def _on_compiler() -> Result:
    return CompileResult(verdict=Verdict.SANDBOX_ERROR, message=LOST)


def _by_exception() -> Result:
    raise SandboxError(LOST)


class _FailingRunner(FakeRunner):
    """Fails on so many executions of a program; of every program if it is `None`."""

    def __init__(self, source: str | None, fails: Fails, times: int) -> None:
        super().__init__()
        self._source, self._fails, self.times = source, fails, times

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        if self._source not in (None, job.program.source) or self.times <= 0:
            async for result in super().execute(job):
                yield result
            return
        self.times -= 1
        result = self._fails()
        if isinstance(result, CaseResult):
            yield CompileResult(verdict=Verdict.ACCEPTED)
        yield result


@pytest.mark.parametrize(
    ("source", "fails"),
    [(ECHO, _on_case), (ECHO, _on_compiler), (ANSWER, _on_case), (ANSWER, _on_compiler)],
    ids=[
        f"{part} of {who}" for who in ("a reference", "an answer") for part in ("case", "compiler")
    ],
)
@pytest.mark.parametrize("times", [1, 2])
async def test_a_program_that_it_failed_on_is_tried_again(
    tmp_path: Path, source: str, fails: Fails, times: int
) -> None:
    # Of a reference, two runs are made at once: either may fail.
    await _plays(tmp_path, _FailingRunner(source, fails, times))


@pytest.mark.parametrize("fails", [_on_case, _on_compiler])
async def test_where_it_fails_on_every_program_the_run_waits(tmp_path: Path, fails: Fails) -> None:
    runner = _FailingRunner(None, fails, 1000)
    await _plays(tmp_path, runner, f"the sandbox fails on every program: {LOST}")


@pytest.mark.parametrize("source", [ECHO, ANSWER], ids=["reference", "answer"])
async def test_where_it_cannot_run_programs_the_run_waits(tmp_path: Path, source: str) -> None:
    await _plays(tmp_path, _FailingRunner(source, _by_exception, 1000), LOST)


@pytest.mark.parametrize(
    ("fails", "verdict", "said"),
    [
        (_on_case, execution_pb2.VERDICT_ACCEPTED, f"the sandbox failed on it each time: {LOST}"),
        (_on_compiler, execution_pb2.VERDICT_COMPILE_ERROR, ""),
    ],
)
async def test_an_answer_that_alone_ends_its_container_has_failed(
    tmp_path: Path, fails: Fails, verdict: execution_pb2.Verdict.ValueType, said: str
) -> None:
    """It gains nothing by it: its case does not pass, and does not go uncounted."""
    played = await _played(tmp_path, _FailingRunner(ANSWER, fails, 1000))
    for each in played:
        assert each.question.check.verified
        for answer in each.answers:
            execution = answer.execution
            assert (execution.pass_rate, execution.compile.verdict) == (0, verdict)
            assert [case.detail for case in execution.cases] == [said] * bool(said)
            if not said:
                assert LOST in execution.compile.message


@pytest.mark.parametrize("fails", [_on_case, _on_compiler])
async def test_a_reference_that_alone_ends_its_container_leaves_its_question_unverified(
    tmp_path: Path, fails: Fails
) -> None:
    played = await _played(tmp_path, _FailingRunner(ECHO, fails, 1000))
    for each in played:
        check_ = each.question.check
        assert (check_.verified, check_.dropped_cases) == (False, 3)
        assert "the sandbox failed on it" in check_.detail
        assert not any(answer.execution.HasField("pass_rate") for answer in each.answers)


async def _plays(folder: Path, runner: _FailingRunner, reason: str = "") -> None:
    """Plays a league in which all goes well once the sandbox does."""
    played = await _played(folder, runner, reason)
    for each in played:
        assert (each.question.check.verified, each.question.check.dropped_cases) == (True, 0)
        assert [a.execution.pass_rate for a in each.answers] == [1, 1]


async def _played(folder: Path, runner: _FailingRunner, reason: str = "") -> list[round_pb2.Round]:
    """Plays a league to its end, mending the sandbox once it waits where there is a reason."""
    script = LeagueScript(lambda a: program(ANSWER) if a.role == "answer" else plain(a))
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, folder / "a.duckdb"), runner=runner) as server,
    ):
        await server.runs.CreateRun(create(programming_league(3)))
        if reason:
            paused = await is_in_state(server, run_pb2.Run.STATE_PAUSED)
            assert paused.state_reason.startswith(f"{reason}; when that is mended, resume the run")
            runner.times = 0
            await server.runs.ResumeRun(run_service_pb2.ResumeRunRequest(name="runs/math-1"))
        await is_in_state(server, run_pb2.Run.STATE_SUCCEEDED)
        played = await rounds(server)
    assert outcomes(played) == {"question OK": 3, "answer OK": 6, "judgment OK": 9}
    assert set(script.times().values()) == {1}
    return played


class _OneRunFails(FakeRunner):
    """Fails on the second execution while the first is held for ever."""

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        self.begun.append(job)
        try:
            if len(self.begun) == 2:
                raise UnavailableError("gone")
            await asyncio.Event().wait()
            yield CompileResult(verdict=Verdict.ACCEPTED)
        finally:
            self.ended.append(job)


async def test_where_one_run_of_a_reference_fails_the_other_does_not_go_on_alone() -> None:
    runner = _OneRunFails()
    code = Code(language="python", source=ECHO)
    question = ProgrammingQuestion(text="Echo.", reference=code, cases=(GivenCase(input="1"),))
    with pytest.raises(UnavailableError, match="gone"):
        await check(Executing(runner, "math-1"), question, round_index=1, setter="p1", attempt=0)
    assert len(runner.begun) == len(runner.ended) == 2
