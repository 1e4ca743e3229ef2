"""Questions of a programming league, and what their programs did, as the gate reads them."""

from typing import Any

from sandbox.model import CaseResult, CompileResult, ExitFacts, Verdict
from server.league.gate import Decision, Ran, decide
from server.league.programs import Code, GivenCase, ProgrammingQuestion

CODE = Code(language="python", source="print(6 * 7)")
GENERATOR = Code(language="python", source="print('6 7')")
GENERATED = GivenCase(input="100000", generated=True)


def question(*cases: GivenCase, **values: Any) -> ProgrammingQuestion:
    """Returns a question with these cases."""
    defaults: dict[str, Any] = {"text": "Multiply.", "reference": CODE, "cases": cases}
    return ProgrammingQuestion(**(defaults | values))


def case(expected: str | None = "42", **values: Any) -> GivenCase:
    """Returns a case as its setter gives it."""
    return GivenCase(**({"input": "6 7\n", "expected": expected} | values))


def result(
    stdout: bytes = b"42\n", verdict: Verdict = Verdict.ACCEPTED, **facts: Any
) -> CaseResult:
    """Returns what a program did on a case."""
    ended: dict[str, Any] = {"exit_status": 0, "stdout": stdout, "cpu_s": 0.01}
    return CaseResult(name="", verdict=verdict, facts=ExitFacts(**(ended | facts)))


def wrong(stdout: bytes) -> CaseResult:
    """Returns what a program did that printed something else than was expected."""
    return result(stdout, Verdict.WRONG_ANSWER)


def crash(status: int | None = 1, **facts: Any) -> CaseResult:
    """Returns what a program did that ended with a status other than 0, or by a signal."""
    return result(b"", Verdict.RUNTIME_ERROR, **({"exit_status": status} | facts))


def ran(*cases: CaseResult, **compiled: Any) -> Ran:
    """Returns a run of a program on cases; without more it compiles."""
    return Ran(compiled=CompileResult(**({"verdict": Verdict.ACCEPTED} | compiled)), cases=cases)


def decided(asked: ProgrammingQuestion, *results: CaseResult) -> Decision:
    """Decides where the reference does the same twice."""
    return decide(asked, None, ran(*results), ran(*results))


def dropped(decision: Decision) -> list[str]:
    """Returns why each case is dropped; empty for one that is kept."""
    return [each.dropped for each in decision.check.cases]
