"""The gate on anything that a sandbox may say: rules that hold for all of it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sandbox.checker import compare
from sandbox.model import CaseResult, Tokens, Verdict
from server.league.gate import Ran, decide
from server.league.programs import ProgrammingQuestion
from tests.support import gated

MOST_CHARACTERS = 6000

outputs = st.sampled_from([b"42", b"41\n", b"", b"x" * 5000, b"\x1b[2J" * 100, b"\xff" * 900])


@st.composite
def _results(draw: st.DrawFn, expected: str | None) -> CaseResult:
    """Returns what the sandbox may say of a reference, judged by words."""
    printed = draw(outputs)
    verdict = draw(st.sampled_from([*[Verdict.ACCEPTED] * 9, *Verdict]))
    if verdict in (Verdict.ACCEPTED, Verdict.WRONG_ANSWER):
        right = expected is None or compare(Tokens(), printed, expected.encode()) is None
        verdict = Verdict.ACCEPTED if right else Verdict.WRONG_ANSWER
    status = {Verdict.ACCEPTED: 0, Verdict.WRONG_ANSWER: 0, Verdict.RUNTIME_ERROR: 1}.get(verdict)
    return gated.result(
        printed, verdict, exit_status=status, stderr=draw(st.binary(max_size=9)) * 900
    )


@st.composite
def _played(draw: st.DrawFn) -> tuple[ProgrammingQuestion, Ran, Ran]:
    expectations = draw(st.lists(st.sampled_from([None, "42", "\n" * 9999]), max_size=9))
    first, second = [], []
    for expected in expectations:
        first.append(draw(_results(expected)))
        second.append(draw(st.one_of(st.just(first[-1]), _results(expected))))
    cases = [
        gated.case(expected, input=draw(st.text(max_size=9)) * 200) for expected in expectations
    ]
    return gated.question(*cases), gated.ran(*first), gated.ran(*second)


@given(_played())
def test_a_case_is_kept_exactly_if_two_runs_agree_with_each_other_and_the_setter(
    played: tuple[ProgrammingQuestion, Ran, Ran],
) -> None:
    question, first, second = played
    decision = decide(question, None, first, second)
    assert len(decision.check.cases) == len(question.cases)
    runs = zip(question.cases, decision.check.cases, first.cases, second.cases, strict=True)
    for asked, case, one, other in runs:
        well = one.verdict is other.verdict is Verdict.ACCEPTED
        alike = one.facts.stdout.split() == other.facts.stdout.split()
        says_something = one.facts.stdout.split() or asked.expected is not None
        assert (not case.dropped) is bool(well and alike and says_something)
        assert case.expected == (b"" if case.dropped else one.facts.stdout)
    assert decision.check.verified is bool(decision.check.kept)
    assert bool(decision.check.detail) is not decision.check.verified
    # The setter hears of everything but of what the sandbox failed on.
    theirs = [c for c in decision.check.cases if c.dropped not in ("", "the sandbox failed on it")]
    assert bool(decision.repair) is bool(theirs or not question.cases)


@given(_played(), st.floats(0, 99), st.integers(0, 1 << 40))
def test_a_repair_rests_on_no_figure_that_changes(
    played: tuple[ProgrammingQuestion, Ran, Ran], seconds: float, memory: int
) -> None:
    question, first, second = played

    def another(ran: Ran) -> Ran:
        return replace(
            ran,
            cases=tuple(
                replace(
                    case,
                    facts=replace(
                        case.facts, cpu_s=seconds, wall_s=seconds, peak_memory_bytes=memory
                    ),
                )
                for case in ran.cases
            ),
        )

    assert decide(question, None, another(first), another(second)) == decide(
        question, None, first, second
    )


@given(_played(), st.text(max_size=50), st.sampled_from(["reference", "generator", "cases"]))
def test_a_repair_is_bounded_and_can_be_shown(
    played: tuple[ProgrammingQuestion, Ran, Ran], message: str, fails: str
) -> None:
    question, first, second = played
    failed = gated.ran(verdict=Verdict.COMPILE_ERROR, message=message * 9999)
    generated = None
    if fails == "generator":
        question = replace(
            question, generator=gated.GENERATOR, cases=(gated.GENERATED, *question.cases)
        )
        generated = failed
    if fails == "reference":
        first = failed
    repair = decide(question, generated, first, second).repair
    assert len(repair) <= MOST_CHARACTERS
    assert all(c.isprintable() or c in "\n\t" for c in repair)
    assert repair.count("case ") <= 5 or fails != "cases"
