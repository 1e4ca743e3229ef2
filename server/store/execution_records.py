"""What the store keeps of executions and of the cases of questions, as frozen records."""

from dataclasses import dataclass
from enum import StrEnum

from sandbox.model import Verdict
from server.league.programs import CheckedCase

# Of each output of each case; judges and readers see far less.
KEPT_OUTPUT_BYTES = 64 << 10


class Purpose(StrEnum):
    """Why a program was executed."""

    REFERENCE = "reference"
    REFERENCE_AGAIN = "reference_again"
    GENERATOR = "generator"
    ANSWER = "answer"


@dataclass(frozen=True, kw_only=True)
class CaseRunRecord:
    """What a program did on one case; see `sandbox.model.CaseResult` and `ExitFacts`.

    Attributes:
        number: Number of the case within its question, from 1.
        digest: SHA-256 of all that it printed, of its words unless every byte counts: equal
            outputs, equal digests.
        stdout: What it printed, cut to `KEPT_OUTPUT_BYTES`, and to less where an
            execution printed much in all; `output_bytes` says how much it was.
        stderr: What it printed on standard error, cut likewise; see `error_bytes`.
        output_cut: It printed more than even `output_bytes`, which is all that was read.
        error_cut: The same of standard error.
    """

    number: int
    name: str
    verdict: str
    exit_status: int | None
    signal: int | None
    cpu_s: float
    wall_s: float
    peak_memory_bytes: int
    stdout: bytes
    stderr: bytes
    output_bytes: int
    output_cut: bool
    error_bytes: int
    error_cut: bool
    digest: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class ExecutionRecord:
    """One execution of a program: its compiler, then each of its cases.

    Attributes:
        round: The round.
        participant: Whose program it is.
        purpose: Why it was executed.
        attempt: Which version of the question, from 0: each repair is a new one.
        language: Language that it was run as.
        basis: How the language was told.
        source: The program.
        compile_verdict: How compiling ended.
        compile_message: What the compiler printed.
        compile_s: Seconds by the clock.
        toolchain: Name and version of the compiler or interpreter.
        cases: What it did on each case; empty where it did not compile.
    """

    round: int
    participant: str
    purpose: Purpose
    attempt: int
    language: str
    basis: str
    source: str
    compile_verdict: str
    compile_message: str
    compile_s: float
    toolchain: str
    cases: tuple[CaseRunRecord, ...] = ()

    @property
    def passed(self) -> int:
        """Cases that it passed."""
        return sum(case.verdict == Verdict.ACCEPTED for case in self.cases)


@dataclass(frozen=True, kw_only=True)
class QuestionCaseRecord:
    """A case of a question of a round; see `server.league.programs.CheckedCase`."""

    round: int
    case: CheckedCase
