"""What comes of a question once its reference was run on its cases: pure.

Its cases are kept or dropped, each with a reason, and what is wrong is put into one
text for its setter. That text is the same whenever the same programs do the same: it
names no times that were measured, no amounts of memory and no files of the sandbox, and cites an output
only if two runs of the reference printed it alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sandbox.checker import compare
from sandbox.model import Case, CaseResult, CheckerFailure, CompileResult, ProgramChecker, Verdict
from server.league.gate_words import MOST_TEXT, bare, compiler_says, ending, last_line, quoted
from server.league.programs import CheckedCase, GivenCase, ProgrammingQuestion, QuestionCheck
from server.league.time_budget import IN_WORDS, is_not_run

# Of programs that ran to their end, whatever they printed.
ENDED = frozenset({Verdict.ACCEPTED, Verdict.WRONG_ANSWER})
_MOST_PROBLEMS = 5
_SANDBOX_FAILED = "the sandbox failed on it"
# What answers are held against, too.
_OWN = " when it is given that same output as the expected one"
_NOT_RUN = "not run, since the time limit had been reached on cases before it"
_TIME_USED_UP = "not run, since the time for all cases had been used up on those before it"
_TOO_LONG = (
    "is not run on all of its cases, since it takes longer on them together than a program"
    f" has: {IN_WORDS}"
)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a program did, as the sandbox says.

    Attributes:
        compiled: What its compiler said.
        cases: What it did on each case, in order; empty if it did not compile. A program
            that reaches the time limit again and again is not run on the cases that are left.
        changing: Places of the cases on which another run printed another thing.
    """

    compiled: CompileResult
    cases: tuple[CaseResult, ...] = ()
    changing: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is decided on a version of a question.

    Attributes:
        check: Its cases, if nothing is mended. `repairs` is left for whoever counts.
        repair: What its setter should mend, bounded; empty if there is nothing.
    """

    check: QuestionCheck
    repair: str = ""


@dataclass(frozen=True)
class _Problem:
    """What is wrong with a case: the reason it is dropped for, and what the setter is told.

    A problem with nothing to tell is none of the setter's making.
    """

    dropped: str
    told: str = ""


def together(one: Ran, other: Ran) -> Ran:
    """Returns what a generator did in two runs as one: on each case the worse, and what changed."""
    for ran in (one, other):
        if ran.compiled.verdict is not Verdict.ACCEPTED:
            return ran
    both = list(zip(one.cases, other.cases, strict=False))
    return Ran(
        compiled=one.compiled,
        cases=tuple(first if first.verdict not in ENDED else second for first, second in both),
        changing=frozenset(
            place
            for place, (first, second) in enumerate(both)
            if first.verdict in ENDED
            and second.verdict in ENDED
            and first.facts.stdout != second.facts.stdout
        ),
    )


def with_inputs(
    question: ProgrammingQuestion, generated: Ran | None
) -> tuple[tuple[CheckedCase, ...], tuple[str, ...]]:
    """Returns the cases of a question with their inputs, and what is wrong with generated ones.

    A case without an input is dropped already; the reference is run on the others.

    Args:
        question: The question.
        generated: What its generator did on the inputs of the generated cases, in
            order; `None` if there is nothing to generate.
    """
    results = iter(enumerate(_results(generated)))
    changing = generated.changing if generated is not None else frozenset()
    cases: list[CheckedCase] = []
    told: list[str] = []
    for number, given in enumerate(question.cases, 1):
        case = CheckedCase(
            number=number, name=f"case {number}", input=b"", generated=given.generated
        )
        if not given.generated:
            cases.append(replace(case, input=given.input.encode("utf-8", "replace")))
            continue
        place, result = next(results, (-1, None))
        problem = _generator_problem(generated, result, given, changes=place in changing)
        if problem is not None:
            cases.append(replace(case, dropped=problem.dropped))
            if problem.told:
                told.append(f"{case.name}: {problem.told}")
        elif result is not None:
            cases.append(replace(case, input=result.facts.stdout))
    if generated is not None and generated.compiled.verdict is not Verdict.ACCEPTED:
        told = [compiler_says("generator", generated.compiled)] if told else []
    return tuple(cases), tuple(told)


def to_run(question: ProgrammingQuestion, cases: Sequence[CheckedCase]) -> tuple[Case, ...]:
    """Returns what the reference is to be run on, twice: each case that has an input."""
    expected = [given.expected for given in question.cases]
    return tuple(
        Case(case.input, _as_bytes(expected[case.number - 1]), case.name)
        for case in cases
        if not case.dropped
    )


def decide(
    question: ProgrammingQuestion,
    generated: Ran | None,
    first: Ran | None,
    second: Ran | None,
) -> Decision:
    """Decides on a version of a question. Takes time linear in what was printed.

    Args:
        question: The question.
        generated: What its generator did; `None` if there is nothing to generate.
        first: What its reference did on the cases of `to_run`; `None` if there were
            none.
        second: What it did on them when it was run again; where a program compares
            outputs, held against what the first run printed.
    """
    cases, told = with_inputs(question, generated)
    if not question.cases:
        told = ("it has no cases; give some, with edge cases and large ones",)
    compiled = first.compiled if first is not None else None
    if compiled is not None and compiled.verdict is not Verdict.ACCEPTED:
        failed = compiled.verdict is Verdict.SANDBOX_ERROR
        why = _SANDBOX_FAILED if failed else "its reference does not compile"
        if not failed:
            told = (compiler_says("reference", compiled), *told)
        return _decision([replace(c, dropped=c.dropped or why) for c in cases], told)
    checked, told_of_runs = _checked(question, cases, _results(first), _results(second))
    too_long = _too_long("its generator", generated) + _too_long("the reference", first, second)
    return _decision(checked, (*too_long, *told, *told_of_runs))


def _checked(
    question: ProgrammingQuestion,
    cases: Sequence[CheckedCase],
    first: Sequence[CaseResult],
    second: Sequence[CaseResult],
) -> tuple[list[CheckedCase], list[str]]:
    """Returns the cases after the reference was run on them, and what is wrong with them."""
    told: list[str] = []
    checked: list[CheckedCase] = []
    runs = zip(first, second, strict=False)
    missing = _why_missing(first, second)
    for case in cases:
        if case.dropped:
            checked.append(case)
            continue
        one, other = next(runs, (None, None))
        problem = _reference_problem(question, case, one, other, missing)
        if problem is None and one is not None:
            checked.append(replace(case, expected=one.facts.stdout))
        elif problem is not None:
            checked.append(replace(case, dropped=problem.dropped))
            if problem.told:
                told.append(f"{case.name}: {problem.told}")
    return checked, told


def _why_missing(*runs: Sequence[CaseResult]) -> str:
    """Returns why a program was not run on the cases after the last that it was run on."""
    last = [results[-1] for results in runs if results]
    if any(map(_is_not_run, last)):
        return _TIME_USED_UP
    given_up = any(result.verdict is Verdict.TIME_LIMIT for result in last)
    return _NOT_RUN if given_up else _SANDBOX_FAILED


def _too_long(whose: str, *runs: Ran | None) -> tuple[str, ...]:
    """Returns what its setter is told of a program whose time for all cases was used up.

    Once for all cases: which of them it was not run on may be others in another run.
    """
    given_up = any(_is_not_run(result) for ran in runs for result in _results(ran))
    return (f"{whose} {_TOO_LONG}",) if given_up else ()


def _is_not_run(result: CaseResult) -> bool:
    return is_not_run(result.verdict, result.detail)


def _results(ran: Ran | None) -> tuple[CaseResult, ...]:
    return ran.cases if ran is not None else ()


def _decision(cases: Sequence[CheckedCase], told: Sequence[str]) -> Decision:
    verified = any(not case.dropped for case in cases)
    detail = "" if verified else _why_unverified(cases)
    check = QuestionCheck(verified=verified, cases=tuple(cases), detail=detail)
    if not told:
        return Decision(check=check)
    lines = [*told[:_MOST_PROBLEMS]]
    if len(told) > _MOST_PROBLEMS:
        lines.append(f"and so on, {len(told) - _MOST_PROBLEMS} problems more")
    return Decision(check=check, repair="\n".join(lines))


def _why_unverified(cases: Sequence[CheckedCase]) -> str:
    if not cases:
        return "it has no cases"
    reasons = list(dict.fromkeys(case.dropped for case in cases))
    more = "; others for other reasons" if len(reasons) > 1 else ""
    return f"none of its cases could be kept: {reasons[0]}{more}"


def _generator_problem(
    generated: Ran | None, result: CaseResult | None, given: GivenCase, *, changes: bool
) -> _Problem | None:
    """Returns what is wrong with what the generator printed for a case; `None` if nothing is."""
    if (broken := _broken_generator(generated)) is not None:
        return broken
    if result is None or _is_not_run(result):
        return _Problem(_why_missing(generated.cases if generated is not None else ()))
    if result.verdict is Verdict.SANDBOX_ERROR:
        return _Problem(_SANDBOX_FAILED)
    reads = f"; it reads {quoted(given.input)}"
    if result.verdict not in ENDED:
        why = f"its generator {ending(result)}"
        return _Problem(why, why + reads)
    if changes or not result.facts.stdout.strip():
        prints = "prints another input each time" if changes else "prints nothing"
        why = f"its generator {prints}"
        return _Problem(why, why + reads)
    return None


def _broken_generator(generated: Ran | None) -> _Problem | None:
    if generated is None:
        why = "it is to be generated, and there is no generator"
        return _Problem(why, f"{why}; give a generator or write the input down")
    match generated.compiled.verdict:
        case Verdict.ACCEPTED:
            return None
        case Verdict.SANDBOX_ERROR:
            return _Problem(_SANDBOX_FAILED)
        case _:
            why = "its generator does not compile"
            return _Problem(why, why)


def _reference_problem(
    question: ProgrammingQuestion,
    case: CheckedCase,
    one: CaseResult | None,
    other: CaseResult | None,
    missing: str,
) -> _Problem | None:
    """Returns what is wrong with a case that the reference was run on; `None` if nothing is.

    `missing` says why there is no result, where there is none.
    """
    if one is None or other is None or _is_not_run(one) or _is_not_run(other):
        return _Problem(missing)
    reads = "" if case.generated else f"; input: {quoted(case.input)}"
    why = "the output of the reference changes between two runs"
    changes = _Problem(why, why + reads)
    if other.checker is not CheckerFailure.NOT and one.facts.stdout != other.facts.stdout:
        # So it was not given the same.
        return changes
    same = one.facts.stderr == other.facts.stderr
    for result, own in ((one, ""), (other, _OWN)):
        if (problem := _ending_problem(result, own, reads, cites=same)) is not None:
            return problem
    if not _alike(question, one.facts.stdout, other.facts.stdout):
        return changes
    if question.checker.kind == "program" and other.verdict is Verdict.WRONG_ANSWER:
        why = "its checker rejects the output of the reference"
        prints = f"; the reference prints: {quoted(one.facts.stdout)}"
        return _Problem(why, why + _OWN + reads + prints)
    return _contradiction(question.cases[case.number - 1], one, other, reads)


def _ending_problem(result: CaseResult, own: str, reads: str, *, cites: bool) -> _Problem | None:
    """Returns what is wrong where a reference, or its checker, did not end well.

    Args:
        result: A run of the reference.
        own: Says that the checker was given the reference's own output as the expected
            one; empty if it was not.
        reads: Says what the reference read.
        cites: What it said on standard error may be cited.
    """
    if result.checker is not CheckerFailure.NOT:
        why = "its checker fails on it"
        when = own if result.checker is CheckerFailure.RUN else ""
        return _Problem(why, f"{why}{when}: {bare(result.detail, MOST_TEXT)}")
    if result.verdict is Verdict.SANDBOX_ERROR:
        return _Problem(_SANDBOX_FAILED)
    if result.verdict not in ENDED:
        why = f"the reference {ending(result)}"
        return _Problem(why, why + (last_line(result.facts.stderr) if cites else "") + reads)
    return None


def _contradiction(
    given: GivenCase, one: CaseResult, other: CaseResult, reads: str
) -> _Problem | None:
    printed = one.facts.stdout
    same = printed == other.facts.stdout
    prints = f"; the reference prints: {quoted(printed)}" if same else ""
    if Verdict.WRONG_ANSWER in (one.verdict, other.verdict):
        expects = f"; you expect: {quoted(given.expected or '')}"
        return _Problem(
            "the reference contradicts what its setter expects",
            f"the reference contradicts what you expect{reads}{expects}{prints}",
        )
    # Else a program that does nothing would pass.
    if not printed.strip() and given.expected is None:
        why = "the reference prints nothing"
        return _Problem(why, why + reads)
    return None


def _alike(question: ProgrammingQuestion, one: bytes, other: bytes) -> bool:
    checker = question.checker.checker
    if isinstance(checker, ProgramChecker):
        return one == other
    return compare(checker, other, one) is None


def _as_bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "replace")
