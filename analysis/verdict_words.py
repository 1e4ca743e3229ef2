"""Verdicts as one character each and in words, the same on the page and in a terminal."""

from collections.abc import Collection, Iterable

from analysis.dataset import Execution, Question, QuestionCheck
from analysis.pass_rates import ACCEPTED, COMPILE_ERROR, NOT_RUN, SANDBOX_ERROR
from analysis.percent import percent_of

SYMBOLS = {
    ACCEPTED: "✓",
    "wrong_answer": "✗",
    "time_limit": "T",
    NOT_RUN: "N",
    "memory_limit": "M",
    "output_limit": "O",
    "runtime_error": "R",
    "security_violation": "V",
    SANDBOX_ERROR: "S",
}
OTHER = "?"
"""A verdict of a later version of the contract."""
DISPUTED = "D"
LEGEND = {
    "✓": "accepted",
    "✗": "wrong answer",
    "T": "time limit",
    "N": "not run, since the time for all cases was used up, counts as failed",
    "M": "memory limit",
    "O": "output limit",
    "R": "runtime error",
    "V": "security violation",
    "S": "the sandbox failed, counts for nothing",
    DISPUTED: "disputed, counts for nothing",
    OTHER: "another verdict",
}
ASCII = {"✓": "+", "✗": "x"}
"""For terminals that cannot show the symbols; letters stand for themselves."""
OUTDATED = (
    "It was shown other cases as disputed than are now, since an answer came after it: these "
    "marks are left out of the accuracy of judges."
)
"""Of a judgment whose evidence is outdated."""
_BASES = {
    "fence": "told by its fence",
    "shebang": "told by its first line",
    "content": "guessed from its source",
}


def words(verdict: str) -> str:
    """Returns a verdict in words."""
    return verdict.replace("_", " ")


def verdict_line(execution: Execution, check: QuestionCheck | None) -> str:
    """Returns a character a case, in order; empty where the program was run on none."""
    disputed = check.disputed if check is not None else ()
    return "".join(
        DISPUTED if case.name in disputed else SYMBOLS.get(case.verdict, OTHER)
        for case in execution.cases
    )


def legend(lines: Iterable[str]) -> str:
    """Returns what the characters of some lines mean, without those that are not there."""
    used = set("".join(lines))
    return "; ".join(f"{symbol} {told}" for symbol, told in LEGEND.items() if symbol in used)


def outcome_words(execution: Execution, check: QuestionCheck | None) -> str:
    """Says in a few words what a program did, such as `python: passed 3 of 4 cases (75 %)`."""
    language = execution.language or "no language told"
    if execution.language_basis:
        basis = _BASES.get(execution.language_basis, execution.language_basis)
        language += f" ({basis})"
    if execution.compile_verdict != ACCEPTED:
        verdict = words(execution.compile_verdict) or "not compiled"
        told = verdict if execution.compile_verdict == COMPILE_ERROR else f"compiler: {verdict}"
        rate = "" if execution.pass_rate is None else ", passes no case"
        return f"{language}: {told}{rate}"
    disputed = check.disputed if check is not None else ()
    counted = [
        case.verdict == ACCEPTED
        for case in execution.cases
        if case.name not in disputed and case.verdict != SANDBOX_ERROR
    ]
    if not counted:
        return f"{language}: compiles; {_uncounted(execution, disputed)}, so no pass rate"
    share = percent_of(sum(counted), len(counted))
    return f"{language}: passed {sum(counted)} of {len(counted)} cases ({share})"


def _uncounted(execution: Execution, disputed: Collection[str]) -> str:
    """Says why no case counts for a program that compiles."""
    lost = sum(case.name not in disputed for case in execution.cases)
    reasons = [(len(execution.cases) - lost, "disputed"), (lost, "lost by the sandbox")]
    told = " and ".join(f"{cases} {reason}" for cases, reason in reasons if cases)
    return f"no case counts, {told}" if told else "no case to run it on"


def failures(execution: Execution) -> list[str]:
    """Returns why cases failed, such as `2: wrong answer: line 1 differs`, in order."""
    return [
        f"{case.name}: {words(case.verdict)}: {case.detail.removeprefix('not run: ')}"
        for case in execution.cases
        if case.verdict != ACCEPTED and case.detail
    ]


def check_words(question: Question, *, is_void: bool = False) -> str:
    """Says in a sentence or two what came of checking a question; empty in mathematics.

    Args:
        question: The question.
        is_void: Its round is void.
    """
    check = question.check
    if check is None:
        return ""
    cases = len(check.kept) + len(check.dropped)
    told = f"{len(check.kept)} of {cases} cases kept"
    if check.verified:
        told = f"Verified: the reference ran twice alike on every case kept; {told}."
    else:
        told = f"Unverified: {told}."
    if is_void:
        told = f"Void, nobody was asked to answer it. {told}"
    if check.disputed:
        told += f" Disputed by the answers: {', '.join(check.disputed)}."
    if check.repairs:
        times = "once" if check.repairs == 1 else f"{check.repairs} times"
        told += f" Mended {times} by its setter."
    return told


def comparison_words(check: QuestionCheck | None) -> str:
    """Says how outputs are compared, such as `word by word`; empty where that is not known."""
    checker = check.checker if check is not None else None
    if checker is None:
        return ""
    match checker.kind:
        case "exact":
            return "byte for byte"
        case "tokens":
            return "word by word"
        case "floats":
            return (
                f"word by word, numbers within {checker.absolute:g} absolute"
                f" or {checker.relative:g} relative"
            )
        case "program":
            return f"by a program of its setter in {checker.language or 'an unknown language'}"
        case other:
            return f"by {other}"
