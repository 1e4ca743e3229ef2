"""The gate on what a generator prints: inputs of cases, or what its setter is told."""

import pytest

from sandbox.model import CaseResult, Verdict
from server.league.gate import Decision, Ran, decide, to_run, together, with_inputs
from server.league.programs import GivenCase
from tests.support import gated

CHANGES = "its generator prints another input each time"


def test_a_generated_input_is_what_its_generator_prints() -> None:
    question = gated.question(gated.case(), gated.GENERATED, generator=gated.GENERATOR)
    generated = gated.ran(gated.result(b"1 2\n"))
    cases, told = with_inputs(question, generated)
    assert told == ()
    assert [case.input for case in to_run(question, cases)] == [b"6 7\n", b"1 2\n"]
    assert [case.expected for case in to_run(question, cases)] == [b"42", None]
    reference = gated.ran(gated.result(), gated.result(b"2\n"))
    decision = decide(question, generated, reference, reference)
    assert [(case.input, case.expected, case.generated) for case in decision.check.kept] == [
        (b"6 7\n", b"42\n", False),
        (b"1 2\n", b"2\n", True),
    ]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (gated.crash(stderr=b"KeyError: 0"), "its generator ends with exit status 1"),
        (gated.result(b" \n"), "its generator prints nothing"),
        (
            gated.result(b"1" * 99, Verdict.OUTPUT_LIMIT),
            "its generator prints more than a program may",
        ),
        (gated.result(b"", Verdict.TIME_LIMIT), "its generator reaches the time limit"),
    ],
)
def test_a_case_that_cannot_be_generated_is_dropped_and_the_others_stay(
    result: CaseResult, reason: str
) -> None:
    question = gated.question(
        gated.GENERATED, gated.case(), gated.GENERATED, generator=gated.GENERATOR
    )
    generated = gated.ran(result, gated.result(b"1 2\n"))
    assert [case.name for case in to_run(question, with_inputs(question, generated)[0])] == [
        "case 2",
        "case 3",
    ]
    reference = gated.ran(gated.result(), gated.result(b"2\n"))
    decision = decide(question, generated, reference, reference)
    assert gated.dropped(decision) == [reason, "", ""]
    assert [case.expected for case in decision.check.kept] == [b"42\n", b"2\n"]
    assert decision.repair.startswith(f"case 1: {reason}")
    assert decision.repair.endswith('it reads "100000"')


def test_a_generator_that_does_not_compile_is_told_once() -> None:
    question = gated.question(
        gated.GENERATED, gated.GENERATED, gated.case(), generator=gated.GENERATOR
    )
    generated = gated.ran(
        verdict=Verdict.COMPILE_ERROR, message="SyntaxError: '(' was never closed"
    )
    decision = decide(question, generated, gated.ran(gated.result()), gated.ran(gated.result()))
    assert gated.dropped(decision) == [*["its generator does not compile"] * 2, ""]
    assert decision.repair == "the generator does not compile: SyntaxError: '(' was never closed"


def test_a_generated_case_needs_a_generator_and_the_sandbox_s_failure_is_nobodys() -> None:
    decision = decide(gated.question(gated.GENERATED), None, None, None)
    assert "there is no generator" in decision.repair
    for generated in (
        gated.ran(verdict=Verdict.SANDBOX_ERROR),
        gated.ran(gated.result(b"", Verdict.SANDBOX_ERROR)),
        gated.ran(),
    ):
        decision = decide(
            gated.question(gated.GENERATED, generator=gated.GENERATOR), generated, None, None
        )
        assert (decision.repair, gated.dropped(decision)) == ("", ["the sandbox failed on it"])


# Of a generator that was run twice: what changes is no input, and no text for a setter.


def _decided(runs: tuple[Ran, Ran], cases: int = 1) -> Decision:
    given = tuple(GivenCase(input=str(n), generated=True) for n in range(1, cases + 1))
    question = gated.question(*given, generator=gated.GENERATOR)
    reference = gated.ran(*[gated.result(b"7")] * cases)
    return decide(question, together(*runs), reference, reference)


def test_an_input_that_changes_is_dropped_and_the_others_stay() -> None:
    one, other = (
        gated.ran(gated.result(b"1"), gated.result(last), gated.result(b"3"))
        for last in (b"2", b"9")
    )
    decision = _decided((one, other), 3)
    assert gated.dropped(decision) == ["", CHANGES, ""]
    assert [case.input for case in decision.check.kept] == [b"1", b"3"]
    assert decision.repair == f'case 2: {CHANGES}; it reads "2"'


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        (gated.ran(gated.result(b"", Verdict.TIME_LIMIT)), "its generator reaches the time limit"),
        (gated.ran(gated.crash(stderr=b"x")), "its generator ends with exit status 1"),
        (gated.ran(verdict=Verdict.COMPILE_ERROR), "its generator does not compile"),
    ],
)
def test_what_failed_in_one_run_failed(failed: Ran, reason: str, swapped: bool) -> None:
    runs = (failed, gated.ran(gated.result(b"1")))
    decision = _decided((runs[1], runs[0]) if swapped else runs)
    assert gated.dropped(decision) == [reason]


def test_what_a_generator_says_on_standard_error_is_not_cited() -> None:
    """It may be another thing in each run, and what a setter is told may not."""
    runs = [gated.ran(gated.crash(stderr=f"KeyError: {said}".encode())) for said in range(3)]
    told = {_decided((run, run)).repair for run in runs}
    assert told == {'case 1: its generator ends with exit status 1; it reads "1"'}
