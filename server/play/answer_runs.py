"""What a run of an answer counts for, beyond what the sandbox says of any program."""

from dataclasses import replace

from sandbox.model import CaseResult, CheckerFailure, CompileResult, Verdict
from server.play.executing import Executed


def held_to_account(executed: Executed) -> Executed:
    """Returns what an answer did, where the failures that it brings about are its own.

    The checker has held on the outputs of the reference, and the sandbox on other programs
    (`server.play.sandbox_failures`). Were their failures on this one left out, an answer
    would gain by printing what breaks the checker, or by ending its container.
    """
    return replace(
        executed,
        compiled=_compiled(executed.compiled),
        cases=tuple(map(_case, executed.cases)),
    )


def _compiled(result: CompileResult) -> CompileResult:
    if result.verdict is not Verdict.SANDBOX_ERROR:
        return result
    message = f"the sandbox failed on its compiler each time: {result.message}"
    return replace(result, verdict=Verdict.COMPILE_ERROR, message=message)


def _case(result: CaseResult) -> CaseResult:
    if result.checker is CheckerFailure.RUN:
        why = result.detail.removeprefix("the checker ")
        return _failed(result, f"the checker failed on its output: it {why}")
    if result.verdict is Verdict.SANDBOX_ERROR and result.checker is CheckerFailure.NOT:
        return _failed(result, f"the sandbox failed on it each time: {result.detail}")
    return result


def _failed(result: CaseResult, detail: str) -> CaseResult:
    # Where it ended well, the checker is what failed afterwards.
    ended = result.facts.exit_status == 0
    verdict = Verdict.WRONG_ANSWER if ended else Verdict.RUNTIME_ERROR
    return replace(result, verdict=verdict, detail=detail)
