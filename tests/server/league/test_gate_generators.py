"""The gate on a generator that was run twice: what changes is no input, and no text for a setter."""

from typing import Any

import pytest

from sandbox.model import CaseResult, CompileResult, ExitFacts, Verdict
from server.league.gate import Decision, Ran, decide, together
from server.league.programs import Code, GivenCase, ProgrammingQuestion

CODE = Code(language="python", source="print(input())")
CHANGES = "its generator prints another input each time"
SLOW = CaseResult(name="", verdict=Verdict.TIME_LIMIT)


def _printed(stdout: bytes, **values: Any) -> CaseResult:
    facts = ExitFacts(exit_status=0, stdout=stdout)
    return CaseResult(name="", facts=facts, **({"verdict": Verdict.ACCEPTED} | values))


def _crashed(stderr: bytes) -> CaseResult:
    facts = ExitFacts(exit_status=1, stderr=stderr)
    return CaseResult(name="", verdict=Verdict.RUNTIME_ERROR, facts=facts)


def _ran(*cases: CaseResult, verdict: Verdict = Verdict.ACCEPTED) -> Ran:
    return Ran(compiled=CompileResult(verdict=verdict), cases=cases)


def _decided(runs: tuple[Ran, Ran], cases: int = 1) -> Decision:
    given = tuple(GivenCase(input=str(n), generated=True) for n in range(1, cases + 1))
    question = ProgrammingQuestion(text="Echo.", reference=CODE, generator=CODE, cases=given)
    reference = _ran(*[_printed(b"7")] * cases)
    return decide(question, together(*runs), reference, reference)


def test_an_input_that_changes_is_dropped_and_the_others_stay() -> None:
    one, other = (_ran(_printed(b"1"), _printed(last), _printed(b"3")) for last in (b"2", b"9"))
    decision = _decided((one, other), 3)
    assert [case.dropped for case in decision.check.cases] == ["", CHANGES, ""]
    assert [case.input for case in decision.check.kept] == [b"1", b"3"]
    assert decision.repair == f'case 2: {CHANGES}; it reads "2"'


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        (_ran(SLOW), "its generator reaches the time limit"),
        (_ran(_crashed(b"x")), "its generator ends with exit status 1"),
        (_ran(verdict=Verdict.COMPILE_ERROR), "its generator does not compile"),
    ],
)
def test_what_failed_in_one_run_failed(failed: Ran, reason: str, swapped: bool) -> None:
    runs = (failed, _ran(_printed(b"1")))
    decision = _decided((runs[1], runs[0]) if swapped else runs)
    assert [case.dropped for case in decision.check.cases] == [reason]


def test_what_a_generator_says_on_standard_error_is_not_cited() -> None:
    """It may be another thing in each run, and what a setter is told may not."""
    runs = [_ran(_crashed(f"KeyError: {said}".encode())) for said in range(3)]
    told = {_decided((run, run)).repair for run in runs}
    assert told == {'case 1: its generator ends with exit status 1; it reads "1"'}
