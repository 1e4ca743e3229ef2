"""A runner without Docker, for tests: it runs Python programs as plain processes of this host.

It protects nothing from anything: only programs of our own tests may be given to it.
It refuses every language but Python, and passes the conformance suite.
"""

import asyncio
import os
import platform
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.checker import compare, verdict_of_checker
from sandbox.languages import COMPILE_LIMITS, LANGUAGES
from sandbox.model import (
    Case,
    CaseResult,
    CheckerFailure,
    CompileResult,
    ExitFacts,
    Job,
    LanguageInfo,
    Limits,
    Program,
    ProgramChecker,
    Result,
    Verdict,
)
from sandbox.runner import QueueFullError, UnavailableError, UnknownLanguageError
from sandbox.verdict import verdict_of
from tests.support import host_process

_PYTHON = LANGUAGES["python"]
_TOOLCHAIN = f"Python {platform.python_version()}"


class FakeRunner:
    """Runs Python programs of our own tests on this host.

    Args:
        problem: Why it cannot run programs; `unavailable` changes it later.
        hold: Executions wait for it before they compile; `None` holds none.
        capacity: Executions that it takes at once, those that are held too.
        turns: Programs that run at once; one a core if `None`.
    """

    def __init__(
        self,
        problem: str = "",
        *,
        hold: asyncio.Event | None = None,
        capacity: int = 64,
        turns: int | None = None,
    ) -> None:
        self.unavailable = problem
        # In the order in which they began and ended.
        self.begun: list[Job] = []
        self.ended: list[Job] = []
        self._hold = hold
        self._capacity = capacity
        self._turns = asyncio.Semaphore(turns or os.cpu_count() or 1)
        self._changed = asyncio.Event()
        self._stops: set[threading.Event] = set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds of the executions that have begun and ended."""
        while not holds():
            await self._changed.wait()

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        """Compiles and runs a program; see `sandbox.runner.Runner.execute`."""
        _refuse_other_languages(job.program)
        if isinstance(job.checker, ProgramChecker):
            _refuse_other_languages(job.checker.program)
        if self.unavailable:
            raise UnavailableError(self.unavailable)
        if len(self.begun) - len(self.ended) >= self._capacity:
            raise QueueFullError(f"{self._capacity} programs wait already")
        self.begun.append(job)
        self._tell()
        try:
            if self._hold is not None:
                await self._hold.wait()
            async with self._turns:
                compiled = await self._compile(job.program)
                yield compiled
                if compiled.verdict is Verdict.ACCEPTED:
                    for case in job.cases:
                        yield await self._play(job, case)
        finally:
            self.ended.append(job)
            self._tell()

    async def problem(self) -> str:
        """Says why it cannot run programs; empty if it can."""
        return self.unavailable

    async def languages(self) -> tuple[LanguageInfo, ...]:
        """Returns Python, with its version unless it cannot run."""
        return (_PYTHON.info("" if self.unavailable else _TOOLCHAIN),)

    async def close(self) -> None:
        """Stops what runs."""
        self.unavailable = "the runner is closed"
        for stop in self._stops:
            stop.set()
        await self.until(lambda: not self._stops)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _compile(self, program: Program) -> CompileResult:
        facts = await self._run(program, _PYTHON.compile[1:], COMPILE_LIMITS)
        verdict = verdict_of(facts, COMPILE_LIMITS)
        return CompileResult(
            verdict=Verdict.COMPILE_ERROR if verdict is Verdict.RUNTIME_ERROR else verdict,
            message=facts.failure or (facts.stdout + facts.stderr).decode(errors="replace"),
            message_cut=facts.stdout_cut or facts.stderr_cut,
            cpu_s=facts.cpu_s,
            wall_s=facts.wall_s,
            toolchain=_TOOLCHAIN,
        )

    async def _play(self, job: Job, case: Case) -> CaseResult:
        facts = await self._run(job.program, (), job.limits, stdin=case.input)
        verdict, detail = verdict_of(facts, job.limits), facts.failure
        failure = CheckerFailure.NOT
        if verdict is Verdict.ACCEPTED and case.expected is not None:
            if isinstance(job.checker, ProgramChecker):
                files = {"input": case.input, "output": facts.stdout, "expected": case.expected}
                verdict, detail, failure = await self._ask(job.checker.program, files)
            elif difference := compare(job.checker, facts.stdout, case.expected):
                verdict, detail = Verdict.WRONG_ANSWER, difference.detail
        return CaseResult(
            name=case.name, verdict=verdict, facts=facts, detail=detail, checker=failure
        )

    async def _ask(
        self, checker: Program, files: Mapping[str, bytes]
    ) -> tuple[Verdict, str, CheckerFailure]:
        compiled = await self._compile(checker)
        if compiled.verdict is not Verdict.ACCEPTED:
            why = f"the checker does not compile: {compiled.verdict}"
            return Verdict.SANDBOX_ERROR, why, CheckerFailure.COMPILE
        facts = await self._run(checker, (), _PYTHON.limits, files=files)
        return verdict_of_checker(facts, _PYTHON.limits)

    async def _run(
        self,
        program: Program,
        command: tuple[str, ...],
        limits: Limits,
        *,
        stdin: bytes = b"",
        files: Mapping[str, bytes] | None = None,
    ) -> ExitFacts:
        """Runs a command beside a program's source, or the program with the names of files."""
        stop = threading.Event()
        self._stops.add(stop)
        self._tell()
        running = asyncio.ensure_future(
            asyncio.to_thread(
                _run, program.source, command, limits, stdin=stdin, files=files or {}, stop=stop
            )
        )
        try:
            facts = await asyncio.shield(running)
        finally:
            stop_was_set = stop.is_set()
            stop.set()
            await asyncio.wait([running])
            self._stops.remove(stop)
            self._tell()
        if stop_was_set:
            raise UnavailableError(self.unavailable)
        return facts


def _refuse_other_languages(program: Program) -> None:
    if program.language != _PYTHON.id:
        raise UnknownLanguageError(f'no language "{program.language}"; there is: {_PYTHON.id}')


def _run(
    source: str,
    command: tuple[str, ...],
    limits: Limits,
    *,
    stdin: bytes,
    files: Mapping[str, bytes],
    stop: threading.Event,
) -> ExitFacts:
    with TemporaryDirectory(prefix="fake-runner-", ignore_cleanup_errors=True) as folder:
        build, work = Path(folder, "build"), Path(folder, "work")
        build.mkdir()
        work.mkdir()
        main = build / _PYTHON.file
        main.write_bytes(source.encode())
        for name, content in files.items():
            (work / name).write_bytes(content)
        # Isolated: the tests' own packages and settings are none of the program's.
        argv = (sys.executable, *(command or ("-IS", str(main), *files)))
        return host_process.run(
            argv,
            folder=build if command else work,
            environment={
                "PATH": os.defpath,
                "HOME": str(work),
                "TMPDIR": str(work),
                "LANG": "C.UTF-8",
            },
            stdin=stdin,
            limits=limits,
            stop=stop,
        )
