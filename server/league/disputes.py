"""Cases on which most answers agree with each other and not with the reference. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from sandbox.checker import compare
from sandbox.model import Checker, Exact, Floats, Verdict
from server.league.executed import CaseRun, Executed
from server.league.programs import CheckedCase

# So many of those that compile have to agree: as a fraction, compared without rounding.
_SHARE = (2, 3)
_LEAST = 2
# Verdicts on programs that ended by themselves with status 0.
_ENDED = frozenset({Verdict.ACCEPTED, Verdict.WRONG_ANSWER})
# The white space of ASCII, as the checkers of the sandbox have it.
_TO_SPACES = bytes.maketrans(b"\t\n\r\v\f", b"     ")


def digest(output: bytes, checker: Checker | None = None) -> str:
    """Returns the SHA-256 of an output as it is compared: equal outputs, equal digests.

    Words are compared unless the checker takes every byte. White space between them is
    that of ASCII, and how much of it there is does not count. White space alone has the
    digest of nothing, whatever the checker.

    Args:
        output: What was printed.
        checker: The question's checker.
    """
    if isinstance(checker, Exact) and output and not output.isspace():
        return hashlib.sha256(output).hexdigest()
    words = output.translate(_TO_SPACES).strip(b" ")
    # Each turn halves the runs of spaces. `split` would take many times the memory.
    while b"  " in words:
        words = words.replace(b"  ", b" ")
    return hashlib.sha256(words).hexdigest()


# Programs that only define something print nothing: that is no answer to agree on.
_NOTHING = digest(b"")


def disputed(
    cases: Sequence[CheckedCase],
    executions: Sequence[Executed],
    checker: Checker | None = None,
) -> frozenset[int]:
    """Returns the numbers of the disputed cases of a round.

    A case is disputed if two thirds of the answers that compile, and at least two of
    them, end by themselves with status 0 and print the same, which is not what the
    reference printed. An output that the question's checker took is none to dispute it
    with: a checker may find outputs equal that differ in their words. Nor is one of
    white space alone.

    Outputs are the same that have the same words; where the checker is exact, the same
    bytes. Where it compares numbers, so are those that it takes for one of them, as far
    as they are kept whole.

    Args:
        cases: The cases of the question; dropped ones are never disputed.
        executions: One execution of each answer of the round.
        checker: The question's checker.
    """
    compiling = [e for e in executions if e.compile_verdict == Verdict.ACCEPTED]
    part, whole = _SHARE
    needed = max(_LEAST, -(-part * len(compiling) // whole))
    runs: defaultdict[int, list[CaseRun]] = defaultdict(list)
    for execution in compiling:
        for run in execution.cases:
            if run.verdict in _ENDED and not run.output_cut:
                runs[run.number].append(run)
    return frozenset(
        case.number
        for case in cases
        if not case.dropped and _is_disputed(case, runs[case.number], needed, checker)
    )


def _is_disputed(
    case: CheckedCase, runs: Sequence[CaseRun], needed: int, checker: Checker | None
) -> bool:
    by_digest: defaultdict[str, list[CaseRun]] = defaultdict(list)
    for run in runs:
        by_digest[run.digest].append(run)
    by_digest.pop(_NOTHING, None)
    reference = digest(case.expected, checker)
    floats = checker if isinstance(checker, Floats) else None
    wrong = {
        printed: agreeing
        for printed, agreeing in by_digest.items()
        if printed != reference and all(run.verdict == Verdict.WRONG_ANSWER for run in agreeing)
    }
    # Before outputs are compared, which takes the most.
    if sum(map(len, wrong.values())) < needed:
        return False
    return any(
        sum(len(others) for others in wrong.values() if _same(others[0], agreeing[0], floats))
        >= needed
        for agreeing in wrong.values()
    )


def _same(run: CaseRun, other: CaseRun, floats: Floats | None) -> bool:
    if run.digest == other.digest:
        return True
    kept_whole = all(len(each.stdout) == each.output_bytes for each in (run, other))
    return floats is not None and kept_whole and compare(floats, run.stdout, other.stdout) is None
