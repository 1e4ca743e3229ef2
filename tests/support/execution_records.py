"""Executions and cases of questions to put into a store."""

from typing import Any

from server.league.programs import CheckedCase
from server.store.execution_records import (
    CaseRunRecord,
    ExecutionRecord,
    Purpose,
    QuestionCaseRecord,
)


def case_run(number: int, **values: Any) -> CaseRunRecord:
    """Returns what a program did on a case; all was well if nothing else is said."""
    stdout: bytes = values.get("stdout", b"4\n")
    stderr: bytes = values.get("stderr", b"")
    defaults: dict[str, Any] = {
        "name": f"case {number}",
        "verdict": "accepted",
        "exit_status": 0,
        "signal": None,
        "cpu_s": 0.25,
        "wall_s": 0.5,
        "peak_memory_bytes": 9 << 20,
        "stdout": stdout,
        "stderr": stderr,
        "output_bytes": len(stdout),
        "output_cut": False,
        "error_bytes": len(stderr),
        "error_cut": False,
        "digest": "4b" * 32,
        "detail": "",
    }
    return CaseRunRecord(number=number, **(defaults | values))


def execution(participant: str, *cases: CaseRunRecord, **values: Any) -> ExecutionRecord:
    """Returns the execution of an answer's program in the first round."""
    defaults: dict[str, Any] = {
        "round": 1,
        "purpose": Purpose.ANSWER,
        "attempt": 0,
        "language": "python",
        "basis": "named",
        "source": "print(4)\n",
        "compile_verdict": "accepted",
        "compile_message": "",
        "compile_s": 0.125,
        "toolchain": "CPython 3.11",
    }
    return ExecutionRecord(participant=participant, cases=cases, **(defaults | values))


def question_case(number: int, round_: int = 1, **values: Any) -> QuestionCaseRecord:
    """Returns a case that a question kept."""
    defaults: dict[str, Any] = {"name": f"case {number}", "input": b"2 2\n", "expected": b"4\n"}
    case = CheckedCase(number=number, **(defaults | values))
    return QuestionCaseRecord(round=round_, case=case)
