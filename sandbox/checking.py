"""Compares what a program printed with what it should have, by rule or by a program."""

import asyncio

from sandbox.box import Box, Command
from sandbox.checker import compare, verdict_of_checker
from sandbox.languages import COMPILE_LIMITS, LANGUAGES
from sandbox.model import (
    Case,
    CaseResult,
    Checker,
    ExitFacts,
    Limits,
    ProgramChecker,
    Verdict,
)
from sandbox.pool import Pool
from sandbox.verdict import verdict_of

# Comparing more than this is left to a thread: everybody else waits for the loop.
_SMALL_BYTES = 64 << 10
_FILES = ("input", "output", "expected")


class Checking:
    """The checker of one job; a program's container is taken when it is needed first.

    Args:
        checker: How outputs are compared.
        pool: Where a checker that is a program gets its container.
    """

    def __init__(self, checker: Checker, pool: Pool) -> None:
        self._checker = checker
        self._pool = pool
        self._box: Box | None = None
        self._broken = ""

    async def judge(self, case: Case, facts: ExitFacts, limits: Limits) -> CaseResult:
        """Returns the result of a case.

        Raises:
            BoxLostError: The checker's container was lost.
            UnavailableError: It could not be made.
        """
        verdict, detail = verdict_of(facts, limits), facts.failure
        if verdict is Verdict.ACCEPTED and case.expected is not None:
            verdict, detail = await self._compare(case, case.expected, facts.stdout)
        return CaseResult(name=case.name, verdict=verdict, facts=facts, detail=detail)

    def close(self) -> None:
        """Gives the checker's container up."""
        if self._box is not None:
            self._pool.discard(self._box)
            self._box = None

    async def _compare(self, case: Case, expected: bytes, output: bytes) -> tuple[Verdict, str]:
        checker = self._checker
        if isinstance(checker, ProgramChecker):
            return await self._ask(checker, case, expected, output)
        if len(output) + len(expected) < _SMALL_BYTES:
            difference = compare(checker, output, expected)
        else:
            difference = await asyncio.to_thread(compare, checker, output, expected)
        if difference is None:
            return Verdict.ACCEPTED, ""
        return Verdict.WRONG_ANSWER, str(difference)

    async def _ask(
        self, checker: ProgramChecker, case: Case, expected: bytes, output: bytes
    ) -> tuple[Verdict, str]:
        language = LANGUAGES[checker.program.language].of(checker.program.source)
        if self._box is None and not self._broken:
            self._box = await self._pool.take()
            source = checker.program.source.encode("utf-8", "replace")
            command = Command(
                argv=language.compile,
                limits=COMPILE_LIMITS,
                files=((language.file, source),),
                compiles=True,
            )
            compiled = await self._box.run(command)
            if verdict_of(compiled, COMPILE_LIMITS) is not Verdict.ACCEPTED:
                said = (compiled.stderr or compiled.stdout).decode("utf-8", "replace")
                first = next((line for line in said.splitlines() if line.strip()), "")
                self._broken = f"the checker does not compile: {first[:200]}"
        if self._broken or self._box is None:
            return Verdict.SANDBOX_ERROR, self._broken
        # Named before it runs; they never meet the program that is judged.
        contents = (case.input, output, expected)
        command = Command(
            argv=(*language.run, *_FILES),
            limits=language.limits,
            files=tuple(zip(_FILES, contents, strict=True)),
        )
        return verdict_of_checker(await self._box.run(command), language.limits)
