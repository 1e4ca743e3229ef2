"""The content of `run.json`: everything in one plain, versioned structure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from analysis.calls import call_summaries
from analysis.dataset import Dataset
from analysis.page import Findings
from analysis.scores import setter_answerer_matrix, tie_sentence

FORMAT = 1
"""Raised when a field changes its meaning or goes; added fields do not raise it."""


def run_json(dataset: Dataset, findings: Findings, *, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the content of `run.json`.

    It holds only what JSON has: a value that is missing or no finite number is null, a
    time is text in ISO 8601. Raw replies stay in the store.

    Args:
        dataset: The runs.
        findings: What was computed of them.
        notes: Sentences of honesty.
    """
    covered = findings.coverage
    content = {
        "format": FORMAT,
        "subject": dataset.subject,
        "coverage_warning": covered.warning,
        "notes": list(notes),
        "runs": [asdict(run) for run in dataset.runs],
        "round_scores": findings.rows,
        "standings": [
            asdict(standing) | {"coverage": standing.coverage} for standing in findings.standings
        ],
        "verdict": tie_sentence(findings.standings),
        "setter_answerer": [
            {"setter": setter, "answerer": answerer, "value": cell.value, "rounds": cell.n}
            for (setter, answerer), cell in setter_answerer_matrix(findings.rows).items()
        ],
        "agreement": findings.agreement,
        "programs": findings.programs,
        "coverage": {
            "marks": covered.marks,
            "planned": covered.planned,
            "fraction": covered.fraction,
            "warning": covered.warning,
            "finished": covered.finished,
            "totals": covered.totals,
            "failures": covered.failures,
            "causes": covered.causes,
            "skipped": covered.skipped,
            "steps": covered.cells,
        },
        "calls": call_summaries(dataset),
    }
    plain: dict[str, Any] = _plain(content)
    return plain


def _plain(value: Any) -> Any:
    """Returns a value in terms of JSON."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and not isinstance(value, Enum):
        # Half a surrogate pair is no Unicode text; not every JSON reader forgives it.
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return _plain(value.value)
    return _plain_container(value)


def _plain_container(value: Any) -> Any:
    """Returns a record, mapping or sequence in terms of JSON; others as they are."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
