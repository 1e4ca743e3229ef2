"""Executing the programs of a run: what is kept of them, and when they are given up."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

import pytest

from sandbox.model import (
    Case,
    CaseResult,
    Checker,
    CompileResult,
    ExitFacts,
    Job,
    Result,
    Verdict,
)
from sandbox.runner import QueueFullError
from server.league.disputes import digest
from server.league.programs import Code
from server.league.time_budget import NOT_RUN, time_for_all_s
from server.play import executing
from server.play.executing import (
    MOST_SLOW_CASES,
    TOO_LARGE_IN_ALL,
    Executed,
    Executing,
    RunStoppedError,
)
from server.store.execution_records import KEPT_OUTPUT_BYTES, ExecutionRecord, Purpose
from tests.support.fake_runner import FakeRunner
from tests.support.sandboxes import busy, containers, own_name, running, until
from tests.support.scripted_runner import ScriptedRunner

MIB = 1 << 20
CODE = Code(language="python", source="print(input())")


class SaidRunner(ScriptedRunner):
    """Says of the case of each number, from 0, what it is told to."""

    def __init__(self, say: Callable[[int], CaseResult]) -> None:
        super().__init__()
        self._say = say
        self.ran = self.ended = 0

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        """Gives one result after the other."""
        try:
            yield CompileResult(verdict=Verdict.ACCEPTED)
            for number, _ in enumerate(job.cases):
                self.ran += 1
                yield self._say(number)
        finally:
            self.ended += 1


def cases(count: int) -> list[Case]:
    return [Case(b"", None, str(number)) for number in range(count)]


def said(
    verdict: Verdict,
    output: bytes = b"",
    error: bytes = b"",
    *,
    wall_s: float = 0,
    delayed_s: float = 0,
) -> CaseResult:
    facts = ExitFacts(
        exit_status=0, stdout=output, stderr=error, wall_s=wall_s, delayed_s=delayed_s
    )
    return CaseResult(name="a case", verdict=verdict, facts=facts)


def record(executed: Executed, purpose: Purpose = Purpose.ANSWER) -> ExecutionRecord:
    return executed.record(
        round_index=1,
        participant="p1",
        purpose=purpose,
        code=CODE,
        numbers=range(1, len(executed.cases) + 1),
    )


def kept_bytes(kept: ExecutionRecord) -> int:
    return sum(len(case.stdout) + len(case.stderr) for case in kept.cases)


async def test_what_is_kept_of_a_thousand_large_outputs_is_bounded_and_tells_how_large() -> None:
    large = b"x" * MIB

    def say(number: int) -> CaseResult:
        verdict = Verdict.WRONG_ANSWER if number >= 500 else Verdict.ACCEPTED
        return said(verdict, large, b"e" * MIB)

    executed = await Executing(SaidRunner(say), "math-1").execute(CODE, cases(1000))
    held = sum(len(c.facts.stdout) + len(c.facts.stderr) for c in executed.cases)
    kept = record(executed)
    assert MIB // 2 < kept_bytes(kept) == held < 2 * MIB
    # The first that passed and the first that failed are there as far as any is.
    for first in (kept.cases[0], kept.cases[500]):
        assert first.stdout == large[:KEPT_OUTPUT_BYTES]
    assert kept.cases[499].stdout == kept.cases[999].stdout == b"x" * 256
    assert {(case.output_bytes, case.error_bytes) for case in kept.cases} == {(MIB, MIB)}
    assert {case.digest for case in kept.cases} == {digest(large)}


async def test_a_setters_outputs_are_used_whole_and_kept_in_part() -> None:
    large = b"x" * (MIB // 2)
    runner = SaidRunner(lambda _: said(Verdict.ACCEPTED, large))
    executed = await Executing(runner, "math-1").execute(CODE, cases(100), of_setter=True)
    assert {case.facts.stdout for case in executed.cases} == {large}
    kept = record(executed, Purpose.REFERENCE)
    assert kept_bytes(kept) < MIB
    assert {case.output_bytes for case in kept.cases} == {len(large)}


async def test_small_outputs_are_kept_whole() -> None:
    runner = SaidRunner(lambda number: said(Verdict.ACCEPTED, b"%d" % number * 100))
    executed = await Executing(runner, "math-1").execute(CODE, cases(1000))
    assert [case.stdout for case in record(executed).cases] == [
        b"%d" % number * 100 for number in range(1000)
    ]


async def test_only_large_outputs_leave_the_loop_for_their_digest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: dict[int, threading.Thread] = {}

    def watched(output: bytes, checker: Checker) -> str:
        threads[len(output)] = threading.current_thread()
        return digest(output, checker)

    monkeypatch.setattr(executing, "digest", watched)
    runner = SaidRunner(lambda number: said(Verdict.ACCEPTED, b"x" * (MIB - 1 + number)))
    executed = await Executing(runner, "math-1").execute(CODE, cases(2))
    assert executed.digests == (digest(b"x" * (MIB - 1)), digest(b"x" * MIB))
    here = threading.current_thread()
    assert threads[MIB - 1] is here
    assert threads[MIB] is not here


@pytest.mark.parametrize("of_setter", [False, True], ids=["answer", "of the setter"])
async def test_a_program_has_so_much_time_for_all_cases(of_setter: bool) -> None:
    count, each = 1000, 9.0
    runner = SaidRunner(lambda _: said(Verdict.ACCEPTED, b"1", wall_s=each))
    executed = await Executing(runner, "math-1").execute(CODE, cases(count), of_setter=of_setter)
    ran = int(time_for_all_s(count) // each) + 1
    assert (runner.ran, runner.ended) == (ran, 1)
    kept = record(executed).cases
    assert [case.number for case in kept] == list(range(1, count + 1))
    assert {case.verdict for case in kept[:ran]} == {"accepted"}
    assert {(c.verdict, c.detail, c.output_bytes) for c in kept[ran:]} == {
        ("time_limit", NOT_RUN, 0)
    }
    assert [case.name for case in kept[ran:]] == [str(n) for n in range(ran, count)]


async def test_what_the_machine_delayed_is_not_of_a_programs_time() -> None:
    runner = SaidRunner(lambda _: said(Verdict.ACCEPTED, b"1", wall_s=15.0, delayed_s=14.5))
    executed = await Executing(runner, "math-1").execute(CODE, cases(100))
    assert {case.verdict for case in executed.cases} == {Verdict.ACCEPTED}
    assert len(executed.cases) == runner.ran == 100


async def test_slow_starts_are_not_held_against_a_program() -> None:
    runner = SaidRunner(lambda _: said(Verdict.ACCEPTED, b"1", wall_s=1.0))
    executed = await Executing(runner, "math-1").execute(CODE, cases(1000))
    assert {case.verdict for case in executed.cases} == {Verdict.ACCEPTED}


async def test_only_slow_cases_in_a_row_end_what_a_setter_gave() -> None:
    def every_other(number: int) -> CaseResult:
        return said(Verdict.TIME_LIMIT if number % 2 else Verdict.ACCEPTED, b"1")

    runner = SaidRunner(every_other)
    executed = await Executing(runner, "math-1").execute(CODE, cases(50), of_setter=True)
    assert len(executed.cases) == runner.ran == 50
    runner = SaidRunner(lambda _: said(Verdict.TIME_LIMIT))
    executed = await Executing(runner, "math-1").execute(CODE, cases(50), of_setter=True)
    assert len(executed.cases) == runner.ran == MOST_SLOW_CASES
    runner = SaidRunner(lambda _: said(Verdict.TIME_LIMIT))
    executed = await Executing(runner, "math-1").execute(CODE, cases(50))
    assert len(executed.cases) == runner.ran == 50


async def test_outputs_of_a_setter_that_are_too_large_in_all_say_so() -> None:
    large = b"x" * (8 * MIB)
    runner = SaidRunner(lambda _: said(Verdict.ACCEPTED, large))
    executed = await Executing(runner, "math-1").execute(CODE, cases(10), of_setter=True)
    assert [(case.verdict, case.detail) for case in executed.cases] == [
        *[(Verdict.ACCEPTED, "")] * 8,
        *[(Verdict.OUTPUT_LIMIT, TOO_LARGE_IN_ALL)] * 2,
    ]
    assert {case.detail for case in record(executed).cases} == {"", TOO_LARGE_IN_ALL}


async def test_a_run_that_stops_waits_no_more_for_a_full_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executing, "_FULL_RETRY_S", 3600)
    stopped = asyncio.Event()

    class FullRunner(ScriptedRunner):
        async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
            stopped.set()
            raise QueueFullError("it is full")
            yield job

    with pytest.raises(RunStoppedError):
        await Executing(FullRunner(), "math-1", stopped).execute(CODE, cases(1))


async def test_what_is_under_way_or_waits_for_it_ends_when_the_run_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(executing, "_MOST_AT_ONCE", 4)
    stopped = asyncio.Event()
    runner = FakeRunner(hold=asyncio.Event())
    held = Executing(runner, "math-1", stopped)
    begun = [asyncio.create_task(held.execute(CODE, cases(1000))) for _ in range(9)]
    await runner.until(lambda: len(runner.begun) == 4)
    stopped.set()
    ended = await asyncio.gather(*begun, return_exceptions=True)
    assert {type(each) for each in ended} == {RunStoppedError}
    # Its place was given back before that, and none began that had waited.
    assert len(runner.ended) == len(runner.begun) == 4
    with pytest.raises(RunStoppedError):
        await held.execute(CODE, cases(1))
    assert len(runner.begun) == 4


@pytest.mark.docker
async def test_a_container_is_given_up_when_the_run_stops(sandbox_image: str) -> None:
    """The program would take an hour: a thousand cases of four seconds each."""
    stopped = asyncio.Event()
    slow = replace(CODE, source="import time\ntime.sleep(4)\nprint(1)\n")
    with own_name(sandbox_image) as image:
        async with running(image, concurrency=1, pool_size=0) as runner:
            execution = asyncio.create_task(
                Executing(runner, "math-1", stopped).execute(slow, cases(1000))
            )
            # One that ends before it runs says why.
            await until(lambda: execution.done() or busy(image))
            stopped.set()
            with pytest.raises(RunStoppedError):
                await execution
            await until(lambda: not containers(image))
            # The only place is free.
            executed = await Executing(runner, "math-2").execute(CODE, [Case(b"5\n", b"5\n")])
    assert [case.verdict for case in executed.cases] == [Verdict.ACCEPTED]
