"""What the rules read of an execution, and the pass rate that it comes to.

The store's `ExecutionRecord` has this shape. Whoever reads the store takes pass rates
from here; whoever reads the wire finds them there already.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from sandbox.model import Verdict
from server.league.programs import CheckedCase


class CaseRun(Protocol):
    """What a program did on one case; see `server.store.execution_records.CaseRunRecord`."""

    @property
    def number(self) -> int:
        """Number of the case within its question."""

    @property
    def verdict(self) -> str:
        """How it ended."""

    @property
    def exit_status(self) -> int | None:
        """Its exit status; `None` when a signal ended it."""

    @property
    def signal(self) -> int | None:
        """The signal that ended it."""

    @property
    def cpu_s(self) -> float:
        """CPU seconds."""

    @property
    def peak_memory_bytes(self) -> int:
        """Most memory at once."""

    @property
    def stdout(self) -> bytes:
        """What it printed, or the beginning of it."""

    @property
    def stderr(self) -> bytes:
        """What it printed on standard error, or the beginning of it."""

    @property
    def output_bytes(self) -> int:
        """Bytes that it printed."""

    @property
    def output_cut(self) -> bool:
        """It printed more than was read."""

    @property
    def error_bytes(self) -> int:
        """Bytes that it printed on standard error."""

    @property
    def digest(self) -> str:
        """Digest of all that it printed; see `server.league.disputes.digest`."""

    @property
    def detail(self) -> str:
        """Where the output differs, or what failed."""


class Executed(Protocol):
    """One execution of a program; see `server.store.execution_records.ExecutionRecord`."""

    @property
    def language(self) -> str:
        """Language that it was run as."""

    @property
    def compile_verdict(self) -> str:
        """How compiling ended."""

    @property
    def compile_message(self) -> str:
        """What the compiler printed."""

    @property
    def toolchain(self) -> str:
        """Name and version of the compiler or interpreter."""

    @property
    def cases(self) -> Sequence[CaseRun]:
        """What it did on each case."""


@dataclass(frozen=True)
class Tally:
    """What a program's pass rate is made of.

    Attributes:
        passed: Cases that it passed.
        total: Cases that count: not disputed, and the sandbox did not fail on them.
    """

    passed: int
    total: int

    @property
    def rate(self) -> float | None:
        """The share that it passed, 0 to 1; `None` where no case counts."""
        return self.passed / self.total if self.total else None


def tally(
    execution: Executed, cases: Sequence[CheckedCase], disputed: Collection[int] = ()
) -> Tally:
    """Counts the cases that a program passed, of those that count.

    A program that does not compile passes none. Where the sandbox failed, on a case or
    on the compiler, nothing is said of the program. The same holds of a case that it
    was never run on.

    Args:
        execution: What the program did.
        cases: The cases of its question; dropped ones count for nothing.
        disputed: Numbers of disputed cases.
    """
    due = {case.number for case in cases if not case.dropped} - set(disputed)
    if execution.compile_verdict == Verdict.SANDBOX_ERROR:
        return Tally(0, 0)
    if execution.compile_verdict != Verdict.ACCEPTED:
        return Tally(0, len(due))
    verdicts = {run.number: run.verdict for run in execution.cases if run.number in due}
    said = [verdict for verdict in verdicts.values() if verdict != Verdict.SANDBOX_ERROR]
    return Tally(said.count(Verdict.ACCEPTED), len(said))


def pass_rate(
    execution: Executed, cases: Sequence[CheckedCase], disputed: Collection[int] = ()
) -> float | None:
    """Returns the share of cases that a program passed, 0 to 1; see `tally`."""
    return tally(execution, cases, disputed).rate
