"""The gate: which cases of a question are kept, and what its setter is told to mend."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.checker import compare
from sandbox.model import CaseResult, CheckerFailure, CompileResult, ExitFacts, Tokens, Verdict
from server.league.gate import Decision, Ran, decide, to_run, with_inputs
from server.league.programs import CheckerChoice, Code, GivenCase, ProgrammingQuestion

MOST_CHARACTERS = 6000
CODE = Code(language="python", source="print(6 * 7)")
GENERATOR = Code(language="python", source="print('6 7')")


def _question(*cases: GivenCase, **values: Any) -> ProgrammingQuestion:
    defaults: dict[str, Any] = {"text": "Multiply.", "reference": CODE, "cases": cases}
    return ProgrammingQuestion(**(defaults | values))


def _case(expected: str | None = "42", **values: Any) -> GivenCase:
    return GivenCase(**({"input": "6 7\n", "expected": expected} | values))


def _result(
    stdout: bytes = b"42\n", verdict: Verdict = Verdict.ACCEPTED, **facts: Any
) -> CaseResult:
    ended: dict[str, Any] = {"exit_status": 0, "stdout": stdout, "cpu_s": 0.01}
    return CaseResult(name="", verdict=verdict, facts=ExitFacts(**(ended | facts)))


def _wrong(stdout: bytes) -> CaseResult:
    return _result(stdout, Verdict.WRONG_ANSWER)


def _crash(status: int | None = 1, **facts: Any) -> CaseResult:
    return _result(b"", Verdict.RUNTIME_ERROR, **({"exit_status": status} | facts))


def _ran(*cases: CaseResult, **compiled: Any) -> Ran:
    return Ran(compiled=CompileResult(**({"verdict": Verdict.ACCEPTED} | compiled)), cases=cases)


def _decide(question: ProgrammingQuestion, *results: CaseResult) -> Decision:
    """Decides where the reference does the same twice."""
    return decide(question, None, _ran(*results), _ran(*results))


def _dropped(decision: Decision) -> list[str]:
    return [case.dropped for case in decision.check.cases]


def test_what_the_reference_prints_twice_is_expected() -> None:
    decision = _decide(_question(_case(), _case(None), _case(" 42 ")), *[_result()] * 3)
    assert decision.repair == ""
    assert decision.check.verified
    assert decision.check.detail == ""
    assert [case.expected for case in decision.check.kept] == [b"42\n"] * 3
    assert [case.input for case in decision.check.kept] == [b"6 7\n"] * 3
    assert [case.number for case in decision.check.kept] == [1, 2, 3]


def test_a_reference_that_does_not_compile_is_put_to_its_setter() -> None:
    first = _ran(verdict=Verdict.COMPILE_ERROR, message="/build/main.c:3:5: error: expected ';'\n")
    decision = decide(_question(_case(), _case()), None, first, None)
    assert decision.repair == "the reference does not compile: main.c:3:5: error: expected ';'"
    assert not decision.check.verified
    assert _dropped(decision) == ["its reference does not compile"] * 2
    assert "does not compile" in decision.check.detail


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/var/ccXy12Zw.o: in function `main'", "/var/cc9KpQrs.o: in function `main'"),
        ("killed after 30.01 s", "killed after 29.97 s"),
        ("at 0x7ffd3c21", "at 0x55aa0001"),
        ("/build/.go/b12/main.go:1: x", "/build/.go/b99/main.go:1: x"),
    ],
)
def test_what_may_differ_in_another_run_is_not_cited(one: str, other: str) -> None:
    first, second = (
        decide(
            _question(_case()), None, _ran(verdict=Verdict.COMPILE_ERROR, message=message), None
        ).repair
        for message in (one, other)
    )
    assert first == second
    assert "..." in first


def test_a_compiler_that_reached_a_limit_is_named_without_figures() -> None:
    first = _ran(verdict=Verdict.TIME_LIMIT, message="", cpu_s=30.01)
    repair = decide(_question(_case()), None, first, None).repair
    assert repair == "the reference does not compile: its compiler reached the time limit"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (_crash(), "the reference ends with exit status 1"),
        (_crash(None, signal=11), "the reference is ended by SIGSEGV"),
        (_crash(None, signal=77), "the reference is ended by signal 77"),
        (_result(b"", Verdict.TIME_LIMIT), "the reference reaches the time limit"),
        (_result(b"", Verdict.MEMORY_LIMIT), "the reference reaches the memory limit"),
        (_result(b"1", Verdict.OUTPUT_LIMIT), "the reference prints more than a program may"),
        (
            _result(b"", Verdict.SECURITY_VIOLATION, exit_status=None, signal=31),
            "the reference makes a system call that is forbidden",
        ),
    ],
)
@pytest.mark.parametrize("only_once", ["never", "first", "second"])
def test_a_case_on_which_the_reference_fails_is_dropped(
    result: CaseResult, reason: str, only_once: str
) -> None:
    first = _result() if only_once == "second" else result
    second = _result() if only_once == "first" else result
    question = _question(_case(), _case())
    decision = decide(question, None, _ran(first, _result()), _ran(second, _result()))
    assert _dropped(decision) == [reason, ""]
    assert decision.check.verified
    assert decision.repair == f'case 1: {reason}; input: "6 7\\n"'


def test_why_it_crashed_is_told_if_it_says_the_same_twice() -> None:
    trace = b'Traceback:\n  File "/build/main.py", line 1\nZeroDivisionError: division by zero\n'
    decision = _decide(_question(_case()), _crash(stderr=trace))
    assert "exit status 1 (ZeroDivisionError: division by zero); input" in decision.repair
    other = decide(
        _question(_case()), None, _ran(_crash(stderr=b"pid 7")), _ran(_crash(stderr=b"pid 8"))
    )
    assert "pid" not in other.repair


def test_an_output_that_changes_is_dropped_and_not_cited() -> None:
    decision = decide(_question(_case(None)), None, _ran(_result(b"17")), _ran(_result(b"18")))
    assert _dropped(decision) == ["the output of the reference changes between two runs"]
    assert "17" not in decision.repair
    assert "changes between two runs" in decision.repair


@pytest.mark.parametrize(
    ("choice", "other", "kept"),
    [
        (CheckerChoice(), b" 4.0\n", True),
        (CheckerChoice(kind="exact"), b" 4.0\n", False),
        (CheckerChoice(kind="floats", absolute=1e-3), b"4.0001", True),
        (CheckerChoice(kind="floats", absolute=1e-6), b"4.0001", False),
        (CheckerChoice(kind="program", code=CODE), b"4.0 ", False),
        (CheckerChoice(kind="program", code=CODE), b"4.0", True),
    ],
)
def test_two_runs_are_compared_by_the_checker_and_by_bytes_where_it_is_a_program(
    choice: CheckerChoice, other: bytes, kept: bool
) -> None:
    question = _question(_case(None), checker=choice)
    decision = decide(question, None, _ran(_result(b"4.0")), _ran(_result(other)))
    assert decision.check.verified is kept


def test_a_contradiction_is_shown_from_both_sides_and_the_case_dropped() -> None:
    decision = _decide(_question(_case("41"), _case()), _wrong(b"42\n"), _result())
    assert decision.repair == (
        'case 1: the reference contradicts what you expect; input: "6 7\\n"; you expect: "41"; '
        'the reference prints: "42\\n"'
    )
    assert _dropped(decision) == ["the reference contradicts what its setter expects", ""]
    assert decision.check.cases[0].expected == b""


def test_an_output_whose_bytes_change_is_not_cited_with_a_contradiction() -> None:
    question = _question(_case("41"))
    decision = decide(question, None, _ran(_wrong(b"42\n")), _ran(_wrong(b"42 \n")))
    assert "you expect" in decision.repair
    assert "prints" not in decision.repair


def test_cases_that_a_program_was_given_up_before_are_dropped_and_told_by_their_first() -> None:
    slow = _result(b"", Verdict.TIME_LIMIT, exit_status=None)
    not_run = "not run, since the time limit had been reached on cases before it"
    runs = (_ran(slow), _ran(_result(), slow))
    decision = decide(_question(_case(), _case(), _case()), None, *runs)
    assert _dropped(decision) == ["the reference reaches the time limit", not_run, not_run]
    assert decision.repair.startswith("case 1: the reference reaches the time limit")
    assert "case 2" not in decision.repair
    generated = _question(GENERATED, GENERATED, generator=GENERATOR)
    decision = decide(generated, _ran(slow), None, None)
    assert _dropped(decision) == ["its generator reaches the time limit", not_run]


def test_what_the_sandbox_failed_on_is_dropped_and_not_put_to_the_setter() -> None:
    lost = _result(b"", Verdict.SANDBOX_ERROR, exit_status=None)
    for runs in (
        (_ran(lost), _ran(_result())),
        (_ran(_result()), _ran(lost)),
        (_ran(_result()), _ran()),
    ):
        decision = decide(_question(_case()), None, *runs)
        assert decision.repair == ""
        assert _dropped(decision) == ["the sandbox failed on it"]
        assert not decision.check.verified
        by_program = replace(_question(_case()), checker=CheckerChoice(kind="program", code=CODE))
        assert decide(by_program, None, *runs).repair == ""
    broken = _ran(verdict=Verdict.SANDBOX_ERROR, message="lost 3 times")
    decision = decide(_question(_case()), None, broken, broken)
    assert (decision.repair, _dropped(decision)) == ("", ["the sandbox failed on it"])


def test_a_checker_that_crashes_is_put_to_its_setter() -> None:
    crashed = replace(
        _result(verdict=Verdict.SANDBOX_ERROR),
        detail="the checker ended with status 1: NameError: name 'x' is not defined",
        checker=CheckerFailure.RUN,
    )
    question = _question(_case(), checker=CheckerChoice(kind="program", code=CODE))
    decision = _decide(question, crashed)
    assert _dropped(decision) == ["its checker fails on it"]
    assert (
        "case 1: its checker fails on it: the checker ended with status 1: NameError"
        in decision.repair
    )
    lost = replace(
        crashed, detail="the checker's container was lost 2 times", checker=CheckerFailure.NOT
    )
    decision = _decide(question, lost)
    assert (decision.repair, _dropped(decision)) == ("", ["the sandbox failed on it"])


def test_a_reference_that_prints_nothing_verifies_nothing_unless_that_is_expected() -> None:
    decision = _decide(_question(_case(None), _case("")), _result(b"\n"), _result(b"\n"))
    assert _dropped(decision) == ["the reference prints nothing", ""]
    assert "case 1: the reference prints nothing" in decision.repair


def test_a_question_without_cases_is_not_verified_and_cases_are_asked_for() -> None:
    for first in (None, _ran()):
        decision = decide(_question(), None, first, first)
        assert not decision.check.verified
        assert decision.check.detail == "it has no cases"
        assert decision.repair == "it has no cases; give some, with edge cases and large ones"


# Generated cases.

GENERATED = GivenCase(input="100000", generated=True)


def test_a_generated_input_is_what_its_generator_prints() -> None:
    question = _question(_case(), GENERATED, generator=GENERATOR)
    generated = _ran(_result(b"1 2\n"))
    cases, told = with_inputs(question, generated)
    assert told == ()
    assert [case.input for case in to_run(question, cases)] == [b"6 7\n", b"1 2\n"]
    assert [case.expected for case in to_run(question, cases)] == [b"42", None]
    reference = _ran(_result(), _result(b"2\n"))
    decision = decide(question, generated, reference, reference)
    assert [(case.input, case.expected, case.generated) for case in decision.check.kept] == [
        (b"6 7\n", b"42\n", False),
        (b"1 2\n", b"2\n", True),
    ]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (_crash(stderr=b"KeyError: 0"), "its generator ends with exit status 1"),
        (_result(b" \n"), "its generator prints nothing"),
        (_result(b"1" * 99, Verdict.OUTPUT_LIMIT), "its generator prints more than a program may"),
        (_result(b"", Verdict.TIME_LIMIT), "its generator reaches the time limit"),
    ],
)
def test_a_case_that_cannot_be_generated_is_dropped_and_the_others_stay(
    result: CaseResult, reason: str
) -> None:
    question = _question(GENERATED, _case(), GENERATED, generator=GENERATOR)
    generated = _ran(result, _result(b"1 2\n"))
    assert [case.name for case in to_run(question, with_inputs(question, generated)[0])] == [
        "case 2",
        "case 3",
    ]
    reference = _ran(_result(), _result(b"2\n"))
    decision = decide(question, generated, reference, reference)
    assert _dropped(decision) == [reason, "", ""]
    assert [case.expected for case in decision.check.kept] == [b"42\n", b"2\n"]
    assert decision.repair.startswith(f"case 1: {reason}")
    assert decision.repair.endswith('it reads "100000"')


def test_a_generator_that_does_not_compile_is_told_once() -> None:
    question = _question(GENERATED, GENERATED, _case(), generator=GENERATOR)
    generated = _ran(verdict=Verdict.COMPILE_ERROR, message="SyntaxError: '(' was never closed")
    decision = decide(question, generated, _ran(_result()), _ran(_result()))
    assert _dropped(decision) == [*["its generator does not compile"] * 2, ""]
    assert decision.repair == "the generator does not compile: SyntaxError: '(' was never closed"


def test_a_generated_case_needs_a_generator_and_the_sandbox_s_failure_is_nobodys() -> None:
    decision = decide(_question(GENERATED), None, None, None)
    assert "there is no generator" in decision.repair
    for generated in (
        _ran(verdict=Verdict.SANDBOX_ERROR),
        _ran(_result(b"", Verdict.SANDBOX_ERROR)),
        _ran(),
    ):
        decision = decide(_question(GENERATED, generator=GENERATOR), generated, None, None)
        assert (decision.repair, _dropped(decision)) == ("", ["the sandbox failed on it"])


# Rules that hold for anything.

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
    return _result(printed, verdict, exit_status=status, stderr=draw(st.binary(max_size=9)) * 900)


@st.composite
def _played(draw: st.DrawFn) -> tuple[ProgrammingQuestion, Ran, Ran]:
    expectations = draw(st.lists(st.sampled_from([None, "42", "\n" * 9999]), max_size=9))
    first, second = [], []
    for expected in expectations:
        first.append(draw(_results(expected)))
        second.append(draw(st.one_of(st.just(first[-1]), _results(expected))))
    cases = [_case(expected, input=draw(st.text(max_size=9)) * 200) for expected in expectations]
    return _question(*cases), _ran(*first), _ran(*second)


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
    failed = _ran(verdict=Verdict.COMPILE_ERROR, message=message * 9999)
    generated = None
    if fails == "generator":
        question = replace(question, generator=GENERATOR, cases=(GENERATED, *question.cases))
        generated = failed
    if fails == "reference":
        first = failed
    repair = decide(question, generated, first, second).repair
    assert len(repair) <= MOST_CHARACTERS
    assert all(c.isprintable() or c in "\n\t" for c in repair)
    assert repair.count("case ") <= 5 or fails != "cases"


def test_of_many_problems_the_first_five_are_told_and_the_rest_counted() -> None:
    repair = _decide(_question(*[_case()] * 9), *[_crash()] * 9).repair
    lines = repair.splitlines()
    assert [line[:7] for line in lines[:5]] == [f"case {n}:" for n in range(1, 6)]
    assert lines[5:] == ["and so on, 4 problems more"]
