"""Between records and what columns hold: JSON texts and rows."""

import json
from typing import Any

from pydantic import TypeAdapter

from server.league.league import League
from server.league.outcome import Outcome
from server.league.schedule import Role, StepKey
from server.store.records import (
    CallRecord,
    EventRecord,
    Failure,
    MarkRecord,
    Progress,
    RunRecord,
    RunState,
    StepRecord,
)

_LEAGUE = TypeAdapter(League)
_PROGRESS = TypeAdapter(Progress)
_FAILURE = TypeAdapter(Failure)
_encode = json.JSONEncoder(ensure_ascii=False).encode

RUN_COLUMNS = (
    "run_id, number, league, state, state_reason, failure, prompts_sha256, source_run, "
    "server_version, created_at, started_at, ended_at"
)
STEP_COLUMNS = "round, role, participant, outcome, cause, detail, reasks, repaired, calls, content"
# How the step had failed before it was opened again; what had been skipped was nobody's failure.
RETRIES = """
select run_id, round, role, participant, count(*) as retries,
    arg_max(cause, retry) as earlier_cause, arg_max(detail, retry) as earlier_detail
from retried_step where run_id = ? and outcome <> 'skipped' group by all
"""
PLAYED_COLUMNS = (
    f"{STEP_COLUMNS}, coalesce(retries, 0), coalesce(earlier_cause, ''), "
    "coalesce(earlier_detail, '')"
)
MARK_COLUMNS = "round, judge, answerer, label, position, rank, score, points, share, reason"
_CALL_FIELDS = (
    "ask, attempt, outcome, cause, detail, http_status, finish_reason, prompt_tokens, "
    "cached_tokens, completion_tokens, reasoning_tokens, cost_usd, latency_s, first_token_s, "
    "started_at, served_model, response_format, request_sha256, charged_tokens, charged_cost_usd"
)
_CALL_NAMES = tuple(_CALL_FIELDS.split(", "))
CALL_COLUMNS_BASIC = f"round, role, participant, {_CALL_FIELDS}, '', '', sequence"
CALL_COLUMNS = f"round, role, participant, {_CALL_FIELDS}, prompt, raw_reply, sequence"


def clean(text: str) -> str:
    """Returns a text that the database takes: what UTF-8 cannot hold is replaced."""
    return text.encode("utf-8", "replace").decode()


def dump(value: Any) -> str:
    """Returns the JSON of a value, readable in the duckdb shell."""
    return clean(_encode(value))


def dump_league(league: League) -> str:
    """Returns the JSON of a league."""
    return _LEAGUE.dump_json(league).decode()


def dump_progress(progress: Progress) -> str:
    """Returns the JSON of a progress."""
    return _PROGRESS.dump_json(progress).decode()


def dump_failure(failure: Failure | None) -> str | None:
    """Returns the JSON of a failure."""
    return None if failure is None else _FAILURE.dump_json(failure).decode()


def load_league(text: str) -> League:
    """Reads a league."""
    return _LEAGUE.validate_json(text)


def load_run(row: tuple[Any, ...], progress: Progress) -> RunRecord:
    """Reads a row of `RUN_COLUMNS`."""
    return RunRecord(
        run_id=row[0],
        number=row[1],
        league=load_league(row[2]),
        state=RunState(row[3]),
        state_reason=row[4],
        failure=None if row[5] is None else _FAILURE.validate_json(row[5]),
        prompts_sha256=row[6],
        source_run=row[7],
        server_version=row[8],
        created_at=row[9],
        started_at=row[10],
        ended_at=row[11],
        progress=progress,
    )


def load_step(row: tuple[Any, ...]) -> StepRecord:
    """Reads a row of `STEP_COLUMNS`, or of `PLAYED_COLUMNS`."""
    retries, earlier_cause, earlier_detail = row[10:] or (0, "", "")
    return StepRecord(
        key=StepKey(row[0], Role(row[1]), row[2]),
        outcome=Outcome(row[3]),
        cause=row[4],
        detail=row[5],
        reasks=row[6],
        repaired=row[7],
        calls=row[8],
        content=None if row[9] is None else json.loads(row[9]),
        retries=retries,
        earlier_cause=earlier_cause,
        earlier_detail=earlier_detail,
    )


def load_mark(row: tuple[Any, ...]) -> MarkRecord:
    """Reads a row of `MARK_COLUMNS`."""
    names = MARK_COLUMNS.split(", ")
    return MarkRecord(**dict(zip(names, row, strict=True)))


def load_call(row: tuple[Any, ...]) -> CallRecord:
    """Reads a row of `CALL_COLUMNS`."""
    names = [*_CALL_NAMES, "prompt", "raw_reply", "sequence"]
    values = dict(zip(names, row[3:], strict=True))
    values["outcome"] = Outcome(values["outcome"])
    return CallRecord(key=StepKey(row[0], Role(row[1]), row[2]), **values)


def load_event(row: tuple[Any, ...]) -> EventRecord:
    """Reads a row of `sequence, happened_at, kind, body, progress`."""
    return EventRecord(
        sequence=row[0],
        at=row[1],
        kind=row[2],
        body=json.loads(row[3]),
        progress=_PROGRESS.validate_json(row[4]),
    )


def step_row(run_id: str, step: StepRecord) -> dict[str, Any]:
    """Returns the columns of a step, its time left out."""
    return {
        "run_id": run_id,
        "round": step.key.round,
        "role": str(step.key.role),
        "participant": step.key.participant,
        "outcome": str(step.outcome),
        "cause": step.cause,
        "detail": clean(step.detail),
        "reasks": step.reasks,
        "repaired": step.repaired,
        "calls": step.calls,
        "content": None if step.content is None else dump(step.content),
    }


def mark_row(run_id: str, mark: MarkRecord) -> dict[str, Any]:
    """Returns the columns of a mark."""
    return {"run_id": run_id, **vars(mark), "reason": clean(mark.reason)}


def call_row(run_id: str, call: CallRecord, sequence: int) -> dict[str, Any]:
    """Returns the columns of a call."""
    row = {name: getattr(call, name) for name in _CALL_NAMES}
    return {
        "run_id": run_id,
        "round": call.key.round,
        "role": str(call.key.role),
        "participant": call.key.participant,
        **row,
        "outcome": str(call.outcome),
        "detail": clean(call.detail),
        "prompt": clean(call.prompt),
        "raw_reply": clean(call.raw_reply),
        "sequence": sequence,
    }
