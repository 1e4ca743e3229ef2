"""What a run of an answer counts for, beyond what the sandbox says of any program."""

from dataclasses import replace

from sandbox.model import CaseResult, CheckerFailure, Verdict
from server.play.executing import Executed


def held_to_checker(executed: Executed) -> Executed:
    """Returns what an answer did, where outputs that its question's checker fails on are wrong.

    The checker has held on the outputs of the reference. Were its failures left out, an
    answer would gain by printing what breaks it.
    """
    return replace(executed, cases=tuple(map(_held, executed.cases)))


def _held(result: CaseResult) -> CaseResult:
    if result.checker is not CheckerFailure.RUN:
        return result
    why = result.detail.removeprefix("the checker ")
    detail = f"the checker failed on its output: it {why}"
    return replace(result, verdict=Verdict.WRONG_ANSWER, detail=detail)
