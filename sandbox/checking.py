"""Compares what a program printed with what it should have, by rule or by a program."""

from collections.abc import Awaitable, Callable

from sandbox.beside import beside
from sandbox.box import Box, BoxLostError, Command
from sandbox.checker import verdict_of_checker
from sandbox.comparison import compared
from sandbox.languages import COMPILE_LIMITS, LANGUAGES, Language
from sandbox.model import (
    Case,
    CaseResult,
    Checker,
    CheckerFailure,
    ExitFacts,
    Limits,
    Program,
    ProgramChecker,
    Verdict,
)
from sandbox.pool import Pool
from sandbox.verdict import verdict_of

# What loses its container so often is told so.
MOST_LOST = 2
_FILES = ("input", "output", "expected")
_NOT = CheckerFailure.NOT
_Judged = tuple[Verdict, str, CheckerFailure]


class Checking:
    """The checker of one job; a program's container is taken when it is needed first.

    Args:
        checker: How outputs are compared.
        pool: Where a checker that is a program gets its container.
        was_away: Told how often a container was lost before, says whether it was the
            daemon that went away, and is back.
    """

    def __init__(
        self, checker: Checker, pool: Pool, was_away: Callable[[int], Awaitable[bool]]
    ) -> None:
        self._checker = checker
        self._pool = pool
        self._was_away = was_away
        self._language: Language | None = None
        self._box: Box | None = None
        self._broken = ""

    async def judge(self, case: Case, facts: ExitFacts, limits: Limits) -> CaseResult:
        """Returns the result of a case.

        Raises:
            BoxLostError: The checker's container was lost since the sandbox was closed.
            UnavailableError: It could not be made.
        """
        verdict, detail, failure = verdict_of(facts, limits), facts.failure, _NOT
        if verdict is Verdict.ACCEPTED and case.expected is not None:
            verdict, detail, failure = await self._compare(case, case.expected, facts.stdout)
        return CaseResult(
            name=case.name, verdict=verdict, facts=facts, detail=detail, checker=failure
        )

    def close(self) -> None:
        """Gives the checker's container up."""
        if self._box is not None:
            self._pool.discard(self._box)
            self._box = None

    async def _compare(self, case: Case, expected: bytes, output: bytes) -> _Judged:
        checker = self._checker
        if isinstance(checker, ProgramChecker):
            return await self._ask(checker, case, expected, output)
        difference = await compared(checker, output, expected)
        if difference is None:
            return Verdict.ACCEPTED, "", _NOT
        return Verdict.WRONG_ANSWER, str(difference), _NOT

    async def _ask(
        self, checker: ProgramChecker, case: Case, expected: bytes, output: bytes
    ) -> _Judged:
        """Asks a program, in another container where one is lost: its loss is not the judged one's."""
        lost = 0
        while True:
            try:
                return await self._ask_once(checker, case, expected, output)
            except BoxLostError as error:
                self.close()
                if self._pool.closed:
                    raise
                why = str(error)
            if await self._was_away(lost):
                continue
            lost += 1
            if lost >= MOST_LOST:
                return (
                    Verdict.SANDBOX_ERROR,
                    f"the checker's container was lost {lost} times: {why}",
                    _NOT,
                )

    async def _ask_once(
        self, checker: ProgramChecker, case: Case, expected: bytes, output: bytes
    ) -> _Judged:
        if self._language is None:
            self._language = await language_of(checker.program)
        language = self._language
        if self._box is None and not self._broken:
            self._box = await self._pool.take()
            self._broken = await _compile(self._box, language, checker.program)
        if self._broken or self._box is None:
            return Verdict.SANDBOX_ERROR, self._broken, CheckerFailure.COMPILE
        # Named before it runs; they never meet the program that is judged.
        contents = (case.input, output, expected)
        command = Command(
            argv=(*language.run, *_FILES),
            limits=language.limits,
            files=tuple(zip(_FILES, contents, strict=True)),
        )
        return verdict_of_checker(await self._box.run(command), language.limits)


async def language_of(program: Program) -> Language:
    """Returns the language of a program, with the names that its source needs."""
    language = LANGUAGES[program.language]
    return await beside(len(program.source), lambda: language.of(program.source))


async def _compile(box: Box, language: Language, program: Program) -> str:
    """Compiles a checker; returns why it cannot be used, empty if it can."""
    compiled = await box.run(Command.to_compile(language, program.source))
    if verdict_of(compiled, COMPILE_LIMITS) is Verdict.ACCEPTED:
        return ""
    said = compiled.unfit or (compiled.stderr or compiled.stdout).decode("utf-8", "replace")
    lines = [line for line in said.splitlines() if line.strip()]
    # Compilers begin with where it is: which file, which function.
    errors = (line for line in lines if "error" in line.lower())
    return f"the checker does not compile: {next(errors, next(iter(lines), ''))[:200]}"
