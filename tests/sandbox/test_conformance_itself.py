"""The suite finds runners that do something wrong: each fault here fails a check by name."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from sandbox.conformance import CHECKS
from sandbox.model import (
    Case,
    CaseResult,
    Checker,
    CompileResult,
    Exact,
    Job,
    Result,
    Stopped,
    Tokens,
    Verdict,
)
from sandbox.runner import QueueFullError
from tests.support.fake_runner import FakeRunner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

Change = Callable[[CaseResult], CaseResult]


class _Faulty(FakeRunner):
    """Changes the job before, or the results of cases after, a run that is right.

    Args:
        job: What it makes of the job.
        case: What it makes of the result of a case.
    """

    def __init__(
        self, *, job: Callable[[Job], Job] | None = None, case: Change | None = None
    ) -> None:
        super().__init__()
        self._job = job or (lambda unchanged: unchanged)
        self._case = case or (lambda unchanged: unchanged)

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        async with aclosing(super().execute(self._job(job))) as executing:
            async for result in executing:
                yield self._case(result) if isinstance(result, CaseResult) else result


def _facts(**changes: Any) -> Change:
    return lambda result: replace(result, facts=replace(result.facts, **changes))


def _limits(**changes: Any) -> Callable[[Job], Job]:
    return lambda job: replace(job, limits=replace(job.limits, **changes))


def _text(result: CaseResult) -> CaseResult:
    text = result.facts.stdout.decode(errors="replace")
    return replace(result, facts=replace(result.facts, stdout=text.encode()))


def _told_from_the_status(result: CaseResult) -> CaseResult:
    killed = result.facts.exit_status == 137
    return replace(result, verdict=Verdict.MEMORY_LIMIT) if killed else result


def _with_errors_in_it(result: CaseResult) -> CaseResult:
    facts = result.facts
    return replace(result, facts=replace(facts, stdout=facts.stdout + facts.stderr, stderr=b""))


def _forgiving(result: CaseResult) -> CaseResult:
    wrong = result.verdict is Verdict.WRONG_ANSWER
    return replace(result, verdict=Verdict.ACCEPTED, detail="") if wrong else result


def _in_its_own_way(checker: Checker) -> Callable[[Job], Job]:
    return lambda job: replace(job, checker=checker)


def _with_line_feeds(job: Job) -> Job:
    source = job.program.source.replace("\r\n", "\n")
    return replace(job, program=replace(job.program, source=source))


def _with_a_case_at_least(job: Job) -> Job:
    return replace(job, cases=job.cases or (Case(b""),))


class _Reversing(FakeRunner):
    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        async with aclosing(super().execute(job)) as executing:
            compiled, *cases = [result async for result in executing]
        for result in (compiled, *reversed(cases)):
            yield result


class _Saving(FakeRunner):
    """Ends with the first case that is not accepted."""

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        async with aclosing(super().execute(job)) as executing:
            async for result in executing:
                yield result
                if result.verdict is not Verdict.ACCEPTED:
                    return


class _Silent(FakeRunner):
    """Says of a program that does not compile only that it does not."""

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        async with aclosing(super().execute(job)) as executing:
            async for result in executing:
                yield replace(result, message="") if isinstance(result, CompileResult) else result


class _Lenient(FakeRunner):
    """Takes every language for Python."""

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        program = replace(job.program, language="python")
        async with aclosing(super().execute(replace(job, program=program))) as executing:
            async for result in executing:
                yield result


class _Leaking(FakeRunner):
    """Has few places, and loses that of an execution that is left."""

    def __init__(self) -> None:
        super().__init__()
        self._places = asyncio.Semaphore(8)

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        if self._places.locked():
            raise QueueFullError("no place is left")
        await self._places.acquire()
        async with aclosing(super().execute(job)) as executing:
            async for result in executing:
                yield result
        self._places.release()


FAULTS: list[tuple[str, Callable[[], FakeRunner]]] = [
    ("hello", lambda: _Faulty(case=_facts(cpu_s=0.0))),
    ("hello", lambda: _Faulty(case=lambda result: replace(result, name=""))),
    ("compile_error", _Silent),
    ("exit_status", lambda: _Faulty(case=_facts(exit_status=1))),
    ("signals", lambda: _Faulty(case=_facts(exit_status=139, signal=None))),
    ("feigned_limits", lambda: _Faulty(case=_told_from_the_status)),
    ("source_is_kept", lambda: _Faulty(job=_with_line_feeds)),
    ("cpu_limit", lambda: _Faulty(job=_limits(cpu_s=9.0, wall_s=0.5))),
    ("wall_limit", lambda: _Faulty(case=_facts(stopped=Stopped.CPU))),
    ("memory_limit", lambda: _Faulty(job=_limits(memory_bytes=1 << 30, wall_s=0.3))),
    ("memory_is_measured", lambda: _Faulty(case=_facts(peak_memory_bytes=1))),
    ("output_limit", lambda: _Faulty(job=_limits(output_bytes=2000))),
    ("output_up_to_the_limit", lambda: _Faulty(job=_limits(output_bytes=999))),
    ("errors_are_not_output", lambda: _Faulty(case=_facts(stderr_cut=False))),
    ("every_byte", lambda: _Faulty(case=_text)),
    ("errors_are_apart", lambda: _Faulty(case=_with_errors_in_it)),
    ("wrong_answer", lambda: _Faulty(case=lambda result: replace(result, detail=""))),
    ("nothing_expected", lambda: _Faulty(case=_forgiving)),
    ("rules_of_comparing", lambda: _Faulty(job=_in_its_own_way(Exact()))),
    ("program_decides", lambda: _Faulty(job=_in_its_own_way(Tokens()))),
    ("checker_that_fails", lambda: _Faulty(job=_in_its_own_way(Tokens()))),
    ("many_in_order", _Reversing),
    ("failures_do_not_end_a_job", _Saving),
    ("no_cases", lambda: _Faulty(job=_with_a_case_at_least)),
    ("unknown_language", _Lenient),
    ("left_in_the_middle", _Leaking),
]


@pytest.mark.parametrize(
    ("name", "faulty"), FAULTS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(FAULTS)]
)
async def test_a_fault_fails_its_check(name: str, faulty: Callable[[], FakeRunner]) -> None:
    (check,) = (check for check in CHECKS if check.__name__ == name)
    with pytest.raises((AssertionError, QueueFullError)) as caught:
        await check(faulty())
    assert str(caught.value)
