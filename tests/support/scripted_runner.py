"""A runner without processes, which does what a test needs: it waits, fails and keeps count."""

import asyncio
from collections.abc import AsyncGenerator

from sandbox.languages import LANGUAGES
from sandbox.model import (
    CaseResult,
    CompileResult,
    ExitFacts,
    Job,
    LanguageInfo,
    Result,
    Verdict,
)
from sandbox.places import Places
from sandbox.runner import UnavailableError

BROKEN = "broken"
WAITS = "waits"
DIES = "dies"
LARGE = "large"


class ScriptedRunner:
    """Its programs print their input; some sources do something else.

    `BROKEN` does not compile, `DIES` is ended by a signal, `LARGE` prints all it may, and
    `WAITS` prints only once the gate is open.

    Attributes:
        jobs: What it was asked to run, in the order of their places.
        gate: What `WAITS` waits for.
        began: Set when a program waits for the gate.
        under_way: Programs that hold a place now.
        stopped: Callers whose programs were stopped in the middle.
        trouble: Why it cannot run programs; empty if it can.
        is_closed: Whether it was closed.
    """

    def __init__(self, capacity: int = 2, max_waiting: int = 10) -> None:
        self.jobs: list[Job] = []
        self.gate = asyncio.Event()
        self.began = asyncio.Event()
        self.stopped: list[str] = []
        self.trouble = ""
        self.is_closed = False
        self.places = Places(capacity, max_waiting)

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        """Does what the source says."""
        async with self.places.taken(job.caller):
            self.jobs.append(job)
            finished = False
            try:
                if self.trouble:
                    raise UnavailableError(self.trouble)
                if job.program.source == BROKEN:
                    yield CompileResult(verdict=Verdict.COMPILE_ERROR, message="1: oh no")
                    return
                yield CompileResult(
                    verdict=Verdict.ACCEPTED, cpu_s=0.25, wall_s=0.5, toolchain="Scripted 1"
                )
                for case in job.cases:
                    if job.program.source == WAITS:
                        self.began.set()
                        await self.gate.wait()
                    yield self._case(job, case.name, case.input, case.expected)
                finished = True
            finally:
                if not finished:
                    self.stopped.append(job.caller)

    def _case(self, job: Job, name: str, given: bytes, expected: bytes | None) -> CaseResult:
        if job.program.source == DIES:
            facts = ExitFacts(signal=11, stderr=b"\x1b[31mbad", stderr_cut=True)
            return CaseResult(name=name, verdict=Verdict.RUNTIME_ERROR, facts=facts)
        if job.program.source == LARGE:
            given = bytes(job.limits.output_bytes)
        facts = ExitFacts(
            exit_status=0, cpu_s=1.25, wall_s=1.5, peak_memory_bytes=3 << 20, stdout=given
        )
        if expected in (None, given):
            return CaseResult(name=name, verdict=Verdict.ACCEPTED, facts=facts)
        return CaseResult(
            name=name, verdict=Verdict.WRONG_ANSWER, facts=facts, detail="it differs in line 1"
        )

    async def problem(self) -> str:
        """Returns the trouble."""
        return self.trouble

    async def languages(self) -> tuple[LanguageInfo, ...]:
        """Returns all of them."""
        return tuple(language.info("Scripted 1") for language in LANGUAGES.values())

    async def close(self) -> None:
        """Notes it."""
        self.is_closed = True
