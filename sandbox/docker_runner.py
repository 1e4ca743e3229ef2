"""Runs programs in Docker containers, each program in one of its own."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeVar

from sandbox.box import Box, BoxLostError, BoxStarvedError, Command, fit_ahead
from sandbox.checking import MOST_LOST, Checking, language_of
from sandbox.engine import OVERHEAD_BYTES, Engine, MemoryTakenError
from sandbox.languages import BUILD_BYTES, COMPILE_LIMITS, LANGUAGES, Language
from sandbox.model import (
    MIB,
    Case,
    CaseResult,
    CompileResult,
    ExitFacts,
    Job,
    LanguageInfo,
    Program,
    ProgramChecker,
    Result,
    Verdict,
)
from sandbox.options import DockerOptions
from sandbox.places import Place, Places
from sandbox.pool import CLOSED, Pool
from sandbox.runner import UnavailableError, UnknownLanguageError
from sandbox.verdict import verdict_of

T = TypeVar("T")
_log = logging.getLogger(__name__)
# A daemon that is being restarted is waited for; one that is gone is not.
_BACK_WITHIN_S = 20.0
_LOOK_AGAIN_S = 0.5
_MESSAGE = 64 << 10
# In the words of the C library and of Go: of a full folder, and of one file that is longer.
_FULL = ("no space left on device", "file size limit exceeded")
_NO_ROOM = f"what the compiler writes takes more than {BUILD_BYTES // MIB} MiB"
_STARVED = "what it left in memory and in files let the runner beside it have no memory"
_TOO_LARGE = "the compiled program alone takes more memory than a case may use"


# What loses its containers on so many cases in a row would go on with it.
_MOST_LOST_CASES = 3
_NOT_RUN = f"not run: {_MOST_LOST_CASES} cases before it lost their containers"


@dataclass
class _Progress:
    """How far a job is, over all the containers that it has had.

    Attributes:
        place: The place that it has.
        begun: It has had a container.
        compiled: What its compiler said.
        done: Cases whose results have been given.
        ahead: Cases after them that were sent to the container already.
        lost: How often its container was lost since the last result.
        starved: How often of these for want of memory.
        lost_cases: Cases in a row, up to the last, that have no result for that.
    """

    place: Place
    begun: bool = False
    compiled: CompileResult | None = None
    done: int = 0
    ahead: int = 0
    lost: int = 0
    starved: int = 0
    lost_cases: int = 0

    def is_over(self, job: Job) -> bool:
        """Says whether all results have been given."""
        if self.compiled is None:
            return False
        return self.compiled.verdict is not Verdict.ACCEPTED or self.done == len(job.cases)


class DockerRunner:
    """A runner over a Docker daemon; see `sandbox.runner.Runner`.

    Makes no container before the first program, or the first question for languages.

    Args:
        options: How it is set up.
    """

    def __init__(self, options: DockerOptions) -> None:
        # A program takes one thread now and then; the rest is for removing and refilling.
        self._threads = ThreadPoolExecutor(2 * options.concurrency + 2, thread_name_prefix="docker")
        self._engine = Engine(options)
        self._pool = Pool(self._engine, options.pool_size, self._threads)
        self._places = Places(options.concurrency, options.max_waiting)
        self._toolchains: dict[str, str] = {}
        self._learning: asyncio.Task[None] | None = None
        self._swept = False

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        """Compiles and runs a program; see `sandbox.runner.Runner.execute`."""
        _check_language(job.program)
        if isinstance(job.checker, ProgramChecker):
            _check_language(job.checker.program)
        language = await language_of(job.program)
        async with self._places.taken(job.caller) as place:
            await self._sweep()
            progress = _Progress(place)
            async with aclosing(self._with_retries(job, language, progress)) as results:
                async for result in results:
                    with place.idle():
                        yield result
                    if not progress.is_over(job):
                        await place.turn(keep=progress.ahead > 0)

    async def problem(self) -> str:
        """Says in one sentence why programs cannot be run; empty if they can."""
        if self._pool.closed:
            return CLOSED
        problem = await self._on_thread(self._engine.problem)
        if not problem:
            await self._sweep()
        return problem

    async def languages(self) -> tuple[LanguageInfo, ...]:
        """Returns the languages, with versions as the image has them."""
        if not self._toolchains:
            # One container tells all who ask meanwhile.
            if self._learning is None or self._learning.done():
                self._learning = asyncio.create_task(self._learn(), name="versions")
            await asyncio.shield(self._learning)
        return tuple(
            language.info(self._toolchains.get(language.id, "")) for language in LANGUAGES.values()
        )

    async def close(self) -> None:
        """Stops what runs and removes every container."""
        await self._pool.close()
        self._engine.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _learn(self) -> None:
        """Asks a container for the versions of its languages."""
        try:
            box = await self._pool.take()
        except UnavailableError as error:
            _log.info("versions are not known", extra={"why": str(error)})
        else:
            self._toolchains = box.toolchains
            self._pool.discard(box)

    async def _with_retries(
        self, job: Job, language: Language, progress: _Progress
    ) -> AsyncGenerator[Result, None]:
        """Plays a job, in another container where one is lost in the middle of it."""
        while not progress.is_over(job):
            try:
                async with aclosing(self._in_one_box(job, language, progress)) as results:
                    async for result in results:
                        yield result
            except BoxLostError as error:
                if self._pool.closed:
                    raise UnavailableError(CLOSED) from error
                _log.warning("a container was lost", extra={"why": str(error)})
                for result in await self._after_loss(job, progress, error):
                    yield result
            except UnavailableError:
                # Whoever has nothing yet is told at once.
                progress.lost += 1
                if not progress.begun or progress.lost > MOST_LOST or self._pool.closed:
                    raise
                await self._wait_for_daemon()

    async def _after_loss(
        self, job: Job, progress: _Progress, error: BoxLostError
    ) -> tuple[Result, ...]:
        """Waits for a daemon that went away; else returns what to say of a lost case.

        After several of them the others are told with it, as not run: each takes containers,
        and time that others wait.

        Raises:
            UnavailableError: The daemon does not come back.
        """
        if await self._was_away(progress.lost):
            # Not the program's doing.
            return ()
        progress.lost += 1
        progress.starved += isinstance(error, BoxStarvedError)
        if progress.lost < MOST_LOST:
            return ()
        if progress.starved == progress.lost:
            verdict, detail = Verdict.MEMORY_LIMIT, f"{_STARVED}, {MOST_LOST} times"
        else:
            verdict = Verdict.SANDBOX_ERROR
            detail = f"its container was lost {MOST_LOST} times: {error}"
        progress.lost = progress.starved = 0
        if progress.compiled is None:
            progress.compiled = CompileResult(verdict=verdict, message=detail)
            return (progress.compiled,)
        progress.lost_cases += 1
        left = job.cases[progress.done :]
        details = [detail]
        if progress.lost_cases == _MOST_LOST_CASES:
            details += [_NOT_RUN] * (len(left) - 1)
        progress.done += len(details)
        return tuple(
            CaseResult(name=case.name, verdict=verdict, detail=said)
            for case, said in zip(left, details, strict=False)
        )

    async def _was_away(self, lost: int) -> bool:
        """Says whether the daemon went away, and is back, after a container was lost again.

        Raises:
            UnavailableError: It does not come back.
        """
        if lost:
            # A daemon that stops ends its containers first, and answers until then.
            await asyncio.sleep(_LOOK_AGAIN_S)
        return await self._wait_for_daemon()

    async def _wait_for_daemon(self) -> bool:
        """Waits until the daemon is back; returns whether it was away.

        Raises:
            UnavailableError: It does not come back.
        """
        deadline = asyncio.get_running_loop().time() + _BACK_WITHIN_S
        away = False
        while problem := await self.problem():
            if asyncio.get_running_loop().time() > deadline:
                raise UnavailableError(problem)
            away = True
            await asyncio.sleep(_LOOK_AGAIN_S)
        return away

    async def _in_one_box(
        self, job: Job, language: Language, progress: _Progress
    ) -> AsyncGenerator[Result, None]:
        box = await self._pool.take()
        progress.begun = True
        checking = Checking(job.checker, self._pool, self._was_away)
        try:
            self._toolchains = box.toolchains
            compiled = await self._compile(box, job, language)
            if progress.compiled is None:
                progress.compiled = compiled
                yield compiled
            if progress.compiled.verdict is not Verdict.ACCEPTED:
                return
            _check_compiled(compiled)
            async with aclosing(self._cases(box, job, language, progress)) as cases:
                async for case, facts in cases:
                    result = await checking.judge(case, facts, job.limits)
                    progress.done += 1
                    progress.lost = progress.starved = progress.lost_cases = 0
                    yield result
        except BoxLostError as error:
            if not self._pool.closed and await self._on_thread(
                lambda: self._engine.ran_out_of_memory(box.id)
            ):
                raise BoxStarvedError(str(error)) from error
            raise
        finally:
            progress.ahead = 0
            self._pool.discard(box)
            checking.close()

    async def _compile(self, box: Box, job: Job, language: Language) -> CompileResult:
        limiting = (
            asyncio.create_task(self._limit_memory(box, job)) if language.checks_only else None
        )
        try:
            facts = await box.run(Command.to_compile(language, job.program.source))
        finally:
            if limiting is not None:
                await asyncio.wait([limiting])
                limiting.exception()
        compiled = _compiled(facts, language, box.toolchains.get(language.id, ""))
        if not language.checks_only and facts.made_bytes > job.limits.memory_bytes:
            return _too_large(compiled)
        try:
            # What checks a program may have used more than a case may for a moment.
            if limiting is None or isinstance(limiting.exception(), MemoryTakenError):
                await self._limit_memory(box, job)
            else:
                limiting.result()
        except MemoryTakenError:
            return _too_large(compiled)
        return compiled

    async def _limit_memory(self, box: Box, job: Job) -> None:
        """Holds a container to what a case may use, which its compiler was not held to."""
        most = max((len(case.input) for case in job.cases), default=0)
        # What the runner keeps of one case: its input, and its output.
        kept = most + job.limits.output_bytes
        memory = job.limits.memory_bytes + OVERHEAD_BYTES + kept
        try:
            await self._on_thread(lambda: self._engine.limit_memory(box.id, memory))
        except UnavailableError as error:
            raise BoxLostError(str(error)) from error

    async def _cases(
        self, box: Box, job: Job, language: Language, progress: _Progress
    ) -> AsyncGenerator[tuple[Case, ExitFacts], None]:
        """Runs the cases that are left, sending small ones ahead while nobody waits for the place."""
        cases = job.cases[progress.done :]
        commands = [
            Command(argv=language.run, limits=job.limits, stdin=case.input) for case in cases
        ]
        sent = 0
        for number, case in enumerate(cases):
            while sent < len(commands) and (
                sent <= number
                or (not progress.place.is_due and fit_ahead(commands[number + 1 : sent + 1]))
            ):
                await box.send(commands[sent])
                sent += 1
            facts = await box.facts()
            progress.ahead = sent - number - 1
            yield case, facts

    async def _sweep(self) -> None:
        if not self._swept:
            try:
                removed = await self._on_thread(self._engine.sweep)
            except UnavailableError:
                # Whoever is served first when the daemon is back does it.
                return
            self._swept = True
            if removed:
                _log.warning("removed containers that were left", extra={"containers": removed})

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _check_language(program: Program) -> None:
    if program.language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise UnknownLanguageError(f'no language "{program.language}"; there are: {known}')


def _check_compiled(again: CompileResult) -> None:
    """Holds a program that compiled in its first container to that in another.

    Raises:
        BoxLostError: It did not.
    """
    if again.verdict is not Verdict.ACCEPTED:
        raise BoxLostError("it compiled in the first container and not in this one")


def _too_large(compiled: CompileResult) -> CompileResult:
    """Returns what is said of a program that leaves itself no memory, if it compiled at all."""
    if compiled.verdict is not Verdict.ACCEPTED:
        return compiled
    return replace(compiled, verdict=Verdict.MEMORY_LIMIT, message=_TOO_LARGE)


def _compiled(facts: ExitFacts, language: Language, toolchain: str) -> CompileResult:
    verdict = verdict_of(facts, COMPILE_LIMITS)
    said = facts.unfit or (facts.stdout + facts.stderr).decode("utf-8", "replace")
    if verdict in (Verdict.RUNTIME_ERROR, Verdict.OUTPUT_LIMIT):
        verdict = Verdict.COMPILE_ERROR
        # What only checks has nothing to write, and may speak of a source with these words.
        if not language.checks_only and any(words in said.lower() for words in _FULL):
            verdict, said = Verdict.MEMORY_LIMIT, f"{_NO_ROOM}\n{said}"
    return CompileResult(
        verdict=verdict,
        message=facts.failure or said[:_MESSAGE],
        message_cut=facts.stdout_cut or facts.stderr_cut or len(said) > _MESSAGE,
        cpu_s=facts.cpu_s,
        wall_s=facts.wall_s,
        toolchain=toolchain,
    )
