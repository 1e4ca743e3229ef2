"""Executions and cases as the rules of a programming league read them."""

from typing import Any

from sandbox.model import Verdict
from server.league.disputes import digest
from server.league.programs import CheckedCase
from server.store.execution_records import CaseRunRecord, ExecutionRecord, Purpose


def checked_case(number: int = 1, **values: Any) -> CheckedCase:
    """Returns a kept case that expects 42."""
    defaults: dict[str, Any] = {"name": f"case {number}", "input": b"6 7\n", "expected": b"42\n"}
    return CheckedCase(number=number, **(defaults | values))


def case_run(number: int = 1, **values: Any) -> CaseRunRecord:
    """Returns what a right program did on a case; what it printed gives the digest."""
    stdout: bytes = values.get("stdout", b"42\n")
    stderr: bytes = values.get("stderr", b"")
    defaults: dict[str, Any] = {
        "name": f"case {number}",
        "verdict": Verdict.ACCEPTED,
        "exit_status": 0,
        "signal": None,
        "cpu_s": 0.0123,
        "wall_s": 0.02,
        "peak_memory_bytes": 10 << 20,
        "stdout": stdout,
        "stderr": stderr,
        "output_bytes": len(stdout),
        "output_cut": False,
        "error_bytes": len(stderr),
        "error_cut": False,
        "digest": digest(stdout),
        "detail": "",
    }
    return CaseRunRecord(number=number, **(defaults | values))


def execution(*cases: CaseRunRecord, **values: Any) -> ExecutionRecord:
    """Returns the execution of an answer that compiles."""
    defaults: dict[str, Any] = {
        "round": 1,
        "participant": "p1",
        "purpose": Purpose.ANSWER,
        "attempt": 0,
        "language": "python",
        "basis": "named",
        "source": "print(42)",
        "compile_verdict": Verdict.ACCEPTED,
        "compile_message": "",
        "compile_s": 0.1,
        "toolchain": "Python 3.13.5",
    }
    return ExecutionRecord(cases=cases, **(defaults | values))
