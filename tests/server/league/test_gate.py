"""The gate: which cases of a question are kept, and what its setter is told to mend."""

from dataclasses import replace

import pytest

from sandbox.model import CaseResult, CheckerFailure, Verdict
from server.league.gate import decide
from server.league.programs import CheckerChoice
from server.league.time_budget import NOT_RUN
from tests.support import gated


def test_what_the_reference_prints_twice_is_expected() -> None:
    decision = gated.decided(
        gated.question(gated.case(), gated.case(None), gated.case(" 42 ")), *[gated.result()] * 3
    )
    assert decision.repair == ""
    assert decision.check.verified
    assert decision.check.detail == ""
    assert [case.expected for case in decision.check.kept] == [b"42\n"] * 3
    assert [case.input for case in decision.check.kept] == [b"6 7\n"] * 3
    assert [case.number for case in decision.check.kept] == [1, 2, 3]


def test_a_reference_that_does_not_compile_is_put_to_its_setter() -> None:
    first = gated.ran(
        verdict=Verdict.COMPILE_ERROR, message="/build/main.c:3:5: error: expected ';'\n"
    )
    decision = decide(gated.question(gated.case(), gated.case()), None, first, None)
    assert decision.repair == "the reference does not compile: main.c:3:5: error: expected ';'"
    assert not decision.check.verified
    assert gated.dropped(decision) == ["its reference does not compile"] * 2
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
            gated.question(gated.case()),
            None,
            gated.ran(verdict=Verdict.COMPILE_ERROR, message=message),
            None,
        ).repair
        for message in (one, other)
    )
    assert first == second
    assert "..." in first


def test_a_compiler_that_reached_a_limit_is_named_without_figures() -> None:
    first = gated.ran(verdict=Verdict.TIME_LIMIT, message="", cpu_s=30.01)
    repair = decide(gated.question(gated.case()), None, first, None).repair
    assert repair == "the reference does not compile: its compiler reached the time limit"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (gated.crash(), "the reference ends with exit status 1"),
        (gated.crash(None, signal=11), "the reference is ended by SIGSEGV"),
        (gated.crash(None, signal=77), "the reference is ended by signal 77"),
        (gated.result(b"", Verdict.TIME_LIMIT), "the reference reaches the time limit"),
        (gated.result(b"", Verdict.MEMORY_LIMIT), "the reference reaches the memory limit"),
        (gated.result(b"1", Verdict.OUTPUT_LIMIT), "the reference prints more than a program may"),
        (
            replace(gated.result(b"1", Verdict.OUTPUT_LIMIT), detail="its outputs are too large"),
            "the reference prints more than a program may: its outputs are too large",
        ),
        (
            gated.result(b"", Verdict.SECURITY_VIOLATION, exit_status=None, signal=31),
            "the reference makes a system call that is forbidden",
        ),
    ],
)
@pytest.mark.parametrize("only_once", ["never", "first", "second"])
def test_a_case_on_which_the_reference_fails_is_dropped(
    result: CaseResult, reason: str, only_once: str
) -> None:
    first = gated.result() if only_once == "second" else result
    second = gated.result() if only_once == "first" else result
    question = gated.question(gated.case(), gated.case())
    decision = decide(
        question, None, gated.ran(first, gated.result()), gated.ran(second, gated.result())
    )
    assert gated.dropped(decision) == [reason, ""]
    assert decision.check.verified
    assert decision.repair == f'case 1: {reason}; input: "6 7\\n"'


def test_why_it_crashed_is_told_if_it_says_the_same_twice() -> None:
    trace = b'Traceback:\n  File "/build/main.py", line 1\nZeroDivisionError: division by zero\n'
    decision = gated.decided(gated.question(gated.case()), gated.crash(stderr=trace))
    assert "exit status 1 (ZeroDivisionError: division by zero); input" in decision.repair
    other = decide(
        gated.question(gated.case()),
        None,
        gated.ran(gated.crash(stderr=b"pid 7")),
        gated.ran(gated.crash(stderr=b"pid 8")),
    )
    assert "pid" not in other.repair


def test_an_output_that_changes_is_dropped_and_not_cited() -> None:
    decision = decide(
        gated.question(gated.case(None)),
        None,
        gated.ran(gated.result(b"17")),
        gated.ran(gated.result(b"18")),
    )
    assert gated.dropped(decision) == ["the output of the reference changes between two runs"]
    assert "17" not in decision.repair
    assert "changes between two runs" in decision.repair


@pytest.mark.parametrize(
    ("choice", "other", "kept"),
    [
        (CheckerChoice(), b" 4.0\n", True),
        (CheckerChoice(kind="exact"), b" 4.0\n", False),
        (CheckerChoice(kind="floats", absolute=1e-3), b"4.0001", True),
        (CheckerChoice(kind="floats", absolute=1e-6), b"4.0001", False),
        (CheckerChoice(kind="program", code=gated.CODE), b"4.0 ", False),
        (CheckerChoice(kind="program", code=gated.CODE), b"4.0", True),
    ],
)
def test_two_runs_are_compared_by_the_checker_and_by_bytes_where_it_is_a_program(
    choice: CheckerChoice, other: bytes, kept: bool
) -> None:
    question = gated.question(gated.case(None), checker=choice)
    decision = decide(
        question, None, gated.ran(gated.result(b"4.0")), gated.ran(gated.result(other))
    )
    assert decision.check.verified is kept


def test_a_contradiction_is_shown_from_both_sides_and_the_case_dropped() -> None:
    decision = gated.decided(
        gated.question(gated.case("41"), gated.case()), gated.wrong(b"42\n"), gated.result()
    )
    assert decision.repair == (
        'case 1: the reference contradicts what you expect; input: "6 7\\n"; you expect: "41"; '
        'the reference prints: "42\\n"'
    )
    assert gated.dropped(decision) == ["the reference contradicts what its setter expects", ""]
    assert decision.check.cases[0].expected == b""


def test_an_output_whose_bytes_change_is_not_cited_with_a_contradiction() -> None:
    question = gated.question(gated.case("41"))
    decision = decide(
        question, None, gated.ran(gated.wrong(b"42\n")), gated.ran(gated.wrong(b"42 \n"))
    )
    assert "you expect" in decision.repair
    assert "prints" not in decision.repair


def test_cases_that_a_program_was_given_up_before_are_dropped_and_told_by_their_first() -> None:
    slow = gated.result(b"", Verdict.TIME_LIMIT, exit_status=None)
    not_run = "not run, since the time limit had been reached on cases before it"
    runs = (gated.ran(slow), gated.ran(gated.result(), slow))
    decision = decide(gated.question(gated.case(), gated.case(), gated.case()), None, *runs)
    assert gated.dropped(decision) == ["the reference reaches the time limit", not_run, not_run]
    assert decision.repair.startswith("case 1: the reference reaches the time limit")
    assert "case 2" not in decision.repair
    generated = gated.question(gated.GENERATED, gated.GENERATED, generator=gated.GENERATOR)
    decision = decide(generated, gated.ran(slow), None, None)
    assert gated.dropped(decision) == ["its generator reaches the time limit", not_run]


def test_a_setter_is_told_once_of_the_time_for_all_cases_and_how_much_that_is() -> None:
    not_run = CaseResult(name="", verdict=Verdict.TIME_LIMIT, detail=NOT_RUN)
    before = "not run, since the time for all cases had been used up on those before it"
    asked = gated.question(*[gated.case()] * 9)
    one = gated.ran(*[gated.result()] * 3, *[not_run] * 6)
    other = gated.ran(*[gated.result()] * 5, *[not_run] * 4)
    told = (
        "the reference is not run on all of its cases, since it takes longer on them together"
        " than a program has: 120 s by the clock, and 1 s more for each case"
    )
    for first, second in ((one, other), (other, one), (one, one)):
        decision = decide(asked, None, first, second)
        assert gated.dropped(decision) == ["", "", "", *[before] * 6]
        assert decision.repair == told
    generated = gated.question(*[gated.GENERATED] * 2, generator=gated.GENERATOR)
    decision = decide(generated, gated.ran(not_run, not_run), None, None)
    assert gated.dropped(decision) == [before] * 2
    assert decision.repair == told.replace("the reference", "its generator")


def test_what_the_sandbox_failed_on_is_dropped_and_not_put_to_the_setter() -> None:
    lost = gated.result(b"", Verdict.SANDBOX_ERROR, exit_status=None)
    for runs in (
        (gated.ran(lost), gated.ran(gated.result())),
        (gated.ran(gated.result()), gated.ran(lost)),
        (gated.ran(gated.result()), gated.ran()),
    ):
        decision = decide(gated.question(gated.case()), None, *runs)
        assert decision.repair == ""
        assert gated.dropped(decision) == ["the sandbox failed on it"]
        assert not decision.check.verified
        by_program = replace(
            gated.question(gated.case()), checker=CheckerChoice(kind="program", code=gated.CODE)
        )
        assert decide(by_program, None, *runs).repair == ""
    broken = gated.ran(verdict=Verdict.SANDBOX_ERROR, message="lost 3 times")
    decision = decide(gated.question(gated.case()), None, broken, broken)
    assert (decision.repair, gated.dropped(decision)) == ("", ["the sandbox failed on it"])


def test_a_checker_that_crashes_is_put_to_its_setter() -> None:
    crashed = replace(
        gated.result(verdict=Verdict.SANDBOX_ERROR),
        detail="the checker ended with status 1: NameError: name 'x' is not defined",
        checker=CheckerFailure.RUN,
    )
    question = gated.question(gated.case(), checker=CheckerChoice(kind="program", code=gated.CODE))
    decision = gated.decided(question, crashed)
    assert gated.dropped(decision) == ["its checker fails on it"]
    assert (
        "case 1: its checker fails on it: the checker ended with status 1: NameError"
        in decision.repair
    )
    lost = replace(
        crashed, detail="the checker's container was lost 2 times", checker=CheckerFailure.NOT
    )
    decision = gated.decided(question, lost)
    assert (decision.repair, gated.dropped(decision)) == ("", ["the sandbox failed on it"])


def test_a_reference_that_prints_nothing_verifies_nothing_unless_that_is_expected() -> None:
    decision = gated.decided(
        gated.question(gated.case(None), gated.case("")), gated.result(b"\n"), gated.result(b"\n")
    )
    assert gated.dropped(decision) == ["the reference prints nothing", ""]
    assert "case 1: the reference prints nothing" in decision.repair


def test_a_question_without_cases_is_not_verified_and_cases_are_asked_for() -> None:
    for first in (None, gated.ran()):
        decision = decide(gated.question(), None, first, first)
        assert not decision.check.verified
        assert decision.check.detail == "it has no cases"
        assert decision.repair == "it has no cases; give some, with edge cases and large ones"


def test_of_many_problems_the_first_five_are_told_and_the_rest_counted() -> None:
    repair = gated.decided(gated.question(*[gated.case()] * 9), *[gated.crash()] * 9).repair
    lines = repair.splitlines()
    assert [line[:7] for line in lines[:5]] == [f"case {n}:" for n in range(1, 6)]
    assert lines[5:] == ["and so on, 4 problems more"]
