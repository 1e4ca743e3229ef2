"""What checks share: jobs in short, and expectations that say what they saw."""

from contextlib import aclosing
from dataclasses import dataclass
from textwrap import dedent
from typing import Protocol

from sandbox.model import (
    MIB,
    Case,
    CaseResult,
    Checker,
    CompileResult,
    Job,
    Limits,
    Program,
    Result,
    Tokens,
    Verdict,
)
from sandbox.runner import Runner

# No program of the checks comes near, save those that are to reach one. The time is
# generous, since a busy machine is no fault of a runner.
LIMITS = Limits(cpu_s=10.0, wall_s=60.0, memory_bytes=128 * MIB, output_bytes=4 * MIB, processes=32)


class Check(Protocol):
    """One thing that every runner must do, under the name of its function."""

    __name__: str

    async def __call__(self, runner: Runner, /) -> None:
        """Holds it against a runner.

        Raises:
            AssertionError: The runner does otherwise.
        """


@dataclass(frozen=True)
class Outcome:
    """All that a runner gave for a job.

    Attributes:
        compiled: The compile result.
        cases: The results of the cases.
    """

    compiled: CompileResult
    cases: tuple[CaseResult, ...]

    @property
    def only(self) -> CaseResult:
        """The result of the only case."""
        expect_equal(len(self.cases), 1, "results of one case")
        return self.cases[0]


def job(
    source: str,
    *cases: Case,
    checker: Checker | None = None,
    limits: Limits = LIMITS,
    language: str = "python",
) -> Job:
    """Returns a job for an indented source; a case with no input if none is given."""
    return Job(
        program=program(source, language),
        cases=cases or (Case(b""),),
        checker=checker or Tokens(),
        limits=limits,
        caller="conformance",
    )


def program(source: str, language: str = "python") -> Program:
    """Returns the program of an indented source."""
    return Program(language=language, source=dedent(source))


async def outcome(runner: Runner, job_: Job) -> Outcome:
    """Returns all that a runner gives for a job, held to the form that it must have."""
    results: list[Result] = []
    async with aclosing(runner.execute(job_)) as executing:
        async for result in executing:
            results.append(result)  # noqa: PERF401 (keeps what came before an exception)
    expect(bool(results), "an execution gave nothing, not even a compile result")
    compiled, cases = results[0], results[1:]
    if not isinstance(compiled, CompileResult):
        raise AssertionError(f"the first result is no compile result but {compiled!r}")  # noqa: TRY004
    shown: list[CaseResult] = []
    for result in cases:
        if not isinstance(result, CaseResult):
            raise AssertionError(f"after the compile result came {result!r}")  # noqa: TRY004
        shown.append(result)
    return Outcome(compiled, tuple(shown))


async def only(runner: Runner, job_: Job) -> CaseResult:
    """Returns the result of the only case of a job that compiles."""
    whole = await outcome(runner, job_)
    expect_equal(whole.compiled.verdict, Verdict.ACCEPTED, f"compiling ({whole.compiled.message})")
    return whole.only


def expect(holds: bool, message: str) -> None:
    """Raises where something does not hold; in optimised Python too, unlike `assert`.

    Raises:
        AssertionError: It does not.
    """
    if not holds:
        raise AssertionError(message)


def expect_equal(seen: object, wanted: object, what: str) -> None:
    """Raises where two values differ, with both in the message.

    Raises:
        AssertionError: They differ.
    """
    expect(seen == wanted, f"{what}: got {seen!r:.400}, expected {wanted!r:.400}")


def expect_verdict(result: CaseResult, wanted: Verdict) -> None:
    """Raises where a case ended otherwise, with what the program said.

    Raises:
        AssertionError: It did.
    """
    facts = result.facts
    expect(
        result.verdict is wanted,
        f"verdict: got {result.verdict} ({result.detail}), expected {wanted}; status "
        f"{facts.exit_status}, signal {facts.signal}, stopped {facts.stopped.value!r}, "
        f"{facts.cpu_s:.2f} s CPU, {facts.wall_s:.2f} s, {facts.peak_memory_bytes:,} bytes, "
        f"stderr {facts.stderr[-300:]!r}",
    )
