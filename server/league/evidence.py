"""What a judge is told of what a program did: plain data, bounded, and nothing but facts.

The keys and the numbers are ours, and the texts are strings under those keys: once it
is JSON, no text of a program can be more than one of those strings. `MOST_CHARACTERS`
of JSON hold it, whatever a program printed.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from sandbox.model import MIB, Verdict
from server.league.excerpts import excerpt
from server.league.executed import CaseRun, Executed, tally
from server.league.programs import CheckedCase
from server.league.time_budget import is_not_run

MOST_CHARACTERS = 6000
MOST_LISTED = 40

_ROWS_CHARACTERS = 3150
_MOST_NAMES = 6
# Between the quotes of a string of JSON.
_NAME, _LANGUAGE, _TOOLCHAIN = 40, 60, 120
_WARNINGS, _ERRORS = 300, 2000
_INPUT, _EXPECTED, _ACTUAL, _STDERR, _DIFFERENCE = 250, 250, 300, 250, 160

_encode = json.JSONEncoder(ensure_ascii=False).encode


def evidence(
    execution: Executed, cases: Sequence[CheckedCase], disputed: Collection[int] = ()
) -> dict[str, Any]:
    """Returns what judges see of an execution, to be encoded as JSON.

    Of a question without kept cases, which is one that is not verified, it is what the
    compiler said and no more. Cases that say nothing of the program, disputed ones and
    those that the sandbox failed on, are named and count for nothing.

    Args:
        execution: What the program did.
        cases: The cases of its question.
        disputed: Numbers of disputed cases.
    """
    compiled = execution.compile_verdict == Verdict.ACCEPTED
    shown: dict[str, Any] = {
        "language": excerpt(execution.language, _LANGUAGE),
        "toolchain": excerpt(execution.toolchain, _TOOLCHAIN),
        "compile": {
            "verdict": str(execution.compile_verdict),
            "message": excerpt(execution.compile_message, _WARNINGS if compiled else _ERRORS),
        },
    }
    kept = {case.number: case for case in cases if not case.dropped}
    if not kept:
        return shown
    counted = tally(execution, cases, disputed)
    due = [number for number in kept if number not in disputed]
    by_number = {run.number: run for run in execution.cases} if compiled else {}
    runs = [by_number[number] for number in due if number in by_number]
    said = [run for run in runs if run.verdict != Verdict.SANDBOX_ERROR]
    listed = _rows(said, kept)
    failed = next((run for run in said if run.verdict != Verdict.ACCEPTED), None)
    return shown | {
        "passed": counted.passed,
        "total": counted.total,
        "cases": listed,
        "cases_not_listed": dict(Counter(_verdict(run) for run in said[len(listed) :])),
        "first_failure": None if failed is None else _failure(failed, kept[failed.number]),
        "disputed_cases": _names([case for n, case in kept.items() if n in disputed]),
        "cases_lost_by_the_sandbox": _names(
            [kept[run.number] for run in runs if run.verdict == Verdict.SANDBOX_ERROR]
        ),
    }


def _rows(runs: Sequence[CaseRun], kept: dict[int, CheckedCase]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    room = _ROWS_CHARACTERS
    for run in runs[:MOST_LISTED]:
        row: dict[str, Any] = {"case": _name(kept[run.number]), "verdict": _verdict(run)}
        if not _is_not_run(run):
            row |= {
                "cpu_s": round(run.cpu_s, 2),
                "memory_mib": round(run.peak_memory_bytes / MIB, 1),
            }
        room -= len(_encode(row)) + len(", ")
        if room < 0:
            break
        rows.append(row)
    return rows


def _failure(run: CaseRun, case: CheckedCase) -> dict[str, Any]:
    if _is_not_run(run):
        # Of what was never measured there are no figures and no outputs.
        return {"case": _name(case), "verdict": _verdict(run), "why": run.detail}
    return {
        "case": _name(case),
        "verdict": str(run.verdict),
        "exit_status": run.exit_status,
        "signal": run.signal,
        "difference": excerpt(run.detail, _DIFFERENCE),
        "input": _text(case.input, _INPUT),
        "expected_output": _text(case.expected, _EXPECTED),
        "actual_output": _text(run.stdout, _ACTUAL, run.output_bytes),
        "standard_error": _text(run.stderr, _STDERR, run.error_bytes),
    }


def _verdict(run: CaseRun) -> str:
    return "not_run" if _is_not_run(run) else str(run.verdict)


def _is_not_run(run: CaseRun) -> bool:
    return is_not_run(run.verdict, run.detail)


def _text(data: bytes, most: int, total: int = 0) -> dict[str, Any]:
    """Returns a text with its true length, which a forged mark of a cut cannot change."""
    whole = max(total, len(data))
    return {"text": excerpt(data, most, total=whole), "bytes": whole}


def _names(cases: Sequence[CheckedCase]) -> dict[str, Any]:
    return {"count": len(cases), "names": [_name(case) for case in cases[:_MOST_NAMES]]}


def _name(case: CheckedCase) -> str:
    return excerpt(case.name, _NAME)
