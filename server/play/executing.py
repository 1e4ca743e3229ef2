"""Executes the programs of one run, and keeps what came of it."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from sandbox.languages import LANGUAGES
from sandbox.model import (
    Case,
    CaseResult,
    Checker,
    CompileResult,
    Exact,
    Job,
    Verdict,
)
from sandbox.runner import QueueFullError, Runner, UnavailableError
from server.league.disputes import digest
from server.league.programs import Code
from server.league.time_budget import NOT_RUN, time_for_all_s, time_taken_s
from server.store.execution_records import (
    KEPT_OUTPUT_BYTES,
    CaseRunRecord,
    ExecutionRecord,
    Purpose,
)

_KEPT_ERROR_BYTES = 8 << 10
_KEPT_MESSAGE = 16_000
# Programs of one run that wait for the sandbox or are in it; others have their turns too.
_MOST_AT_ONCE = 32
_FULL_RETRY_S = 0.5
_STOPPED = "the run stopped"
# What a setter gave is not run on further cases once it reached the time limit so often in a row.
MOST_SLOW_CASES = 3
TOO_LARGE_IN_ALL = "its outputs are too large in all"
# Of all outputs of one execution that are to be used whole.
_MOST_WHOLE_BYTES = 64 << 20
# Of what is kept of the cases of one execution that failed, and of those that passed: a
# thousand cases could keep 70 MiB else. Failures have a part of their own, for they are shown.
_MOST_KEPT_BYTES = 512 << 10
# Of each output after that.
_LEAST_KEPT_BYTES = 256
# The digest of an output of that size takes so long that others should not wait for it.
_LARGE_BYTES = 1 << 20


class RunStoppedError(UnavailableError):
    """The run stopped while a program of it waited for the sandbox, or was in it."""


@dataclass(frozen=True, kw_only=True)
class Executed:
    """What the sandbox said of one program.

    Attributes:
        compiled: How compiling ended.
        cases: What it did on each case; empty where it did not compile, and fewer than
            there are where a setter's was stopped. Once its time is used up, it reaches
            the time limit on all others, and `detail` says that it was not run.
        digests: For each case, the digest of all that it printed; see `server.league.disputes`.
        sizes: For each case, how many bytes that was.
        error_sizes: For each case, how many bytes it printed on standard error.
    """

    compiled: CompileResult
    cases: tuple[CaseResult, ...]
    digests: tuple[str, ...]
    sizes: tuple[int, ...]
    error_sizes: tuple[int, ...]

    def record(
        self,
        *,
        round_index: int,
        participant: str,
        purpose: Purpose,
        code: Code,
        numbers: Sequence[int],
        attempt: int = 0,
    ) -> ExecutionRecord:
        """Returns it as it is kept.

        Args:
            round_index: The round.
            participant: Whose program it is.
            purpose: Why it was executed.
            code: The program.
            numbers: Numbers of the cases within the question, in order.
            attempt: Which version of the question.
        """
        room = _Room()
        return ExecutionRecord(
            round=round_index,
            participant=participant,
            purpose=purpose,
            attempt=attempt,
            language=code.language,
            basis=code.basis,
            source=code.source,
            compile_verdict=str(self.compiled.verdict),
            compile_message=self.compiled.message[:_KEPT_MESSAGE],
            compile_s=self.compiled.wall_s,
            toolchain=self.compiled.toolchain,
            cases=tuple(
                _case_record(number, room.cut(result), found, size, errors)
                for number, result, found, size, errors in zip(
                    numbers,
                    self.cases,
                    self.digests,
                    self.sizes,
                    self.error_sizes,
                    strict=False,
                )
            ),
        )


class Executing:
    """Executes the programs of one run.

    Args:
        runner: The sandbox.
        run_id: The run, which takes its turn among other callers.
        stopped: Set once the run stops. Then nothing is executed any more, nor is what is
            under way brought to an end: it costs nothing, and is done again on resumption.
    """

    def __init__(self, runner: Runner, run_id: str, stopped: asyncio.Event | None = None) -> None:
        self._runner = runner
        self._stopped = stopped or asyncio.Event()
        self._caller = f"runs/{run_id}"
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)

    async def execute(
        self,
        code: Code,
        cases: Sequence[Case],
        checker: Checker | None = None,
        *,
        of_setter: bool = False,
        output_bytes: int | None = None,
    ) -> Executed:
        """Executes a program, after waiting for the sandbox.

        Args:
            code: The program, in a language that the sandbox has.
            cases: Its cases.
            checker: How outputs are compared with those that cases expect.
            of_setter: It is a part of a question. Its outputs are needed whole, up to a
                bound for all of them, where others are cut to what is kept; and after
                `MOST_SLOW_CASES` in a row at the time limit it is run on no further ones.
            output_bytes: What a case may print; the language's limit if `None`.

        Raises:
            sandbox.runner.UnavailableError: The sandbox cannot run programs.
            RunStoppedError: The run stopped before the program came to its end.
        """
        limits = LANGUAGES[code.language].limits
        if output_bytes is not None:
            limits = replace(limits, output_bytes=output_bytes)
        job = Job(
            program=code.program,
            cases=tuple(cases),
            checker=checker or Exact(),
            limits=limits,
            caller=self._caller,
        )
        if self._stopped.is_set():
            raise RunStoppedError(_STOPPED)
        return await self._unless_stopped(self._in_turn(job, of_setter=of_setter))

    async def _unless_stopped(self, executing: Coroutine[Any, Any, Executed]) -> Executed:
        """Waits for an execution, which is given up as soon as the run stops.

        Raises:
            RunStoppedError: It was given up.
        """
        running = asyncio.create_task(executing)
        stopping = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
            raise RunStoppedError(_STOPPED)
        finally:
            for task in (running, stopping):
                task.cancel()
            # Its place in the sandbox is free before the run goes on to stop.
            await asyncio.gather(running, stopping, return_exceptions=True)

    async def _in_turn(self, job: Job, *, of_setter: bool) -> Executed:
        async with self._places:
            while True:
                try:
                    return await self._executed(job, of_setter=of_setter)
                except QueueFullError:
                    # Other callers fill it; what was asked for here is waited for.
                    await asyncio.sleep(_FULL_RETRY_S)

    async def _executed(self, job: Job, *, of_setter: bool) -> Executed:
        compiled: CompileResult | None = None
        cases: list[CaseResult] = []
        digests: list[str] = []
        sizes: list[int] = []
        error_sizes: list[int] = []
        slow = 0
        time_left_s = time_for_all_s(len(job.cases))
        left = _MOST_WHOLE_BYTES if of_setter else 0
        room = _Room()
        async with aclosing(self._runner.execute(job)) as results:
            async for result in results:
                if isinstance(result, CompileResult):
                    compiled = result
                    continue
                stdout = result.facts.stdout
                sizes.append(len(stdout))
                error_sizes.append(len(result.facts.stderr))
                digests.append(await _digest(stdout, job.checker))
                left -= len(stdout)
                if not of_setter:
                    cases.append(room.cut(result))
                elif left >= 0:
                    cases.append(result)
                else:
                    # In part, they are of no use.
                    lost = replace(result, verdict=Verdict.OUTPUT_LIMIT, detail=TOO_LARGE_IN_ALL)
                    cases.append(room.cut(lost))
                slow = slow + 1 if result.verdict is Verdict.TIME_LIMIT else 0
                if of_setter and slow == MOST_SLOW_CASES:
                    # A program that never ends would hold up a core for hours.
                    break
                time_left_s -= time_taken_s(result.facts)
                if time_left_s < 0:
                    not_run = [_not_run(case) for case in job.cases[len(cases) :]]
                    cases += not_run
                    digests += [digest(b"")] * len(not_run)
                    sizes += [0] * len(not_run)
                    error_sizes += [0] * len(not_run)
                    break
        if compiled is None:
            raise AssertionError("a sandbox says how compiling ended")
        return Executed(
            compiled=compiled,
            cases=tuple(cases),
            digests=tuple(digests),
            sizes=tuple(sizes),
            error_sizes=tuple(error_sizes),
        )


def _not_run(case: Case) -> CaseResult:
    return CaseResult(name=case.name, verdict=Verdict.TIME_LIMIT, detail=NOT_RUN)


async def _digest(output: bytes, checker: Checker) -> str:
    if len(output) < _LARGE_BYTES:
        return digest(output, checker)
    return await asyncio.to_thread(digest, output, checker)


class _Room:
    """What is left for the outputs that are kept of one execution."""

    def __init__(self) -> None:
        self._passed = self._failed = _MOST_KEPT_BYTES

    def cut(self, result: CaseResult) -> CaseResult:
        """Returns a result that holds no more of its outputs than what is kept.

        To cut again what was cut in the same order changes nothing.
        """
        facts = result.facts
        stdout, stderr = facts.stdout[:KEPT_OUTPUT_BYTES], facts.stderr[:_KEPT_ERROR_BYTES]
        passed = result.verdict is Verdict.ACCEPTED
        if len(stdout) + len(stderr) > (self._passed if passed else self._failed):
            stdout, stderr = stdout[:_LEAST_KEPT_BYTES], stderr[:_LEAST_KEPT_BYTES]
        if passed:
            self._passed -= len(stdout) + len(stderr)
        else:
            self._failed -= len(stdout) + len(stderr)
        return replace(result, facts=replace(facts, stdout=stdout, stderr=stderr))


def _case_record(
    number: int, result: CaseResult, found: str, size: int, errors: int
) -> CaseRunRecord:
    facts = result.facts
    return CaseRunRecord(
        number=number,
        name=result.name,
        verdict=str(result.verdict),
        exit_status=facts.exit_status,
        signal=facts.signal,
        cpu_s=facts.cpu_s,
        wall_s=facts.wall_s,
        peak_memory_bytes=facts.peak_memory_bytes,
        stdout=facts.stdout,
        stderr=facts.stderr,
        output_bytes=size,
        output_cut=facts.stdout_cut,
        error_bytes=errors,
        error_cut=facts.stderr_cut,
        digest=found,
        detail=result.detail,
    )
