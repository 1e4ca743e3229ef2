"""The sandbox fails on a program by itself: it is tried again, and then the run waits."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import run_pb2, run_service_pb2

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
    """Fails on so many executions of a program."""

    def __init__(self, source: str, fails: Fails, times: int) -> None:
        super().__init__()
        self._source, self._fails, self.times = source, fails, times

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        if job.program.source != self._source or self.times <= 0:
            async for result in super().execute(job):
                yield result
            return
        self.times -= 1
        result = self._fails()
        if isinstance(result, CaseResult):
            yield CompileResult(verdict=Verdict.ACCEPTED)
        yield result


FAILURES = pytest.mark.parametrize(
    ("source", "fails"),
    [(ECHO, _on_case), (ECHO, _on_compiler), (ANSWER, _on_compiler)],
    ids=["case of a reference", "compiler of a reference", "compiler of an answer"],
)


@FAILURES
@pytest.mark.parametrize("again", [False, True], ids=["once", "again"])
async def test_it_is_tried_once_more_and_then_the_run_waits(
    tmp_path: Path, source: str, fails: Fails, again: bool
) -> None:
    runner = _FailingRunner(source, fails, 1000 if again else 1)
    await _plays(tmp_path, runner, f"the sandbox failed twice on a program: {LOST}" * again)


@pytest.mark.parametrize("source", [ECHO, ANSWER], ids=["reference", "answer"])
async def test_any_failure_of_the_sandbox_makes_the_run_wait(tmp_path: Path, source: str) -> None:
    await _plays(tmp_path, _FailingRunner(source, _by_exception, 1000), LOST)


async def _plays(folder: Path, runner: _FailingRunner, reason: str) -> None:
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
    for each in played:
        assert (each.question.check.verified, each.question.check.dropped_cases) == (True, 0)
        assert [a.execution.pass_rate for a in each.answers] == [1, 1]


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
