"""Runs, calls, steps and marks to put into a store."""

from datetime import UTC, datetime
from typing import Any

from server.league.league import League
from server.league.outcome import Outcome
from server.league.schedule import Role, StepKey
from server.store.records import CallRecord, MarkRecord, NewRun, StepRecord
from tests.support.leagues import record_league

STARTED = datetime(2026, 11, 20, 9, 30, tzinfo=UTC).replace(tzinfo=None)
QUESTION = StepKey(1, Role.QUESTION, "p1")


def new_run(run_id: str = "math-1", league: League | None = None, **values: Any) -> NewRun:
    """Returns a run to create."""
    defaults: dict[str, Any] = {
        "prompts_sha256": "ab" * 32,
        "prompts": {"question": "Ask.", "reask": "Again: {{reason}}"},
        "server_version": "0.1.0",
        "settings": {"providers": {}},
    }
    return NewRun(run_id=run_id, league=league or record_league(), **(defaults | values))


def call(key: StepKey = QUESTION, **values: Any) -> CallRecord:
    """Returns a call of a step."""
    defaults: dict[str, Any] = {
        "ask": 0,
        "attempt": 0,
        "outcome": Outcome.OK,
        "cause": "",
        "detail": "",
        "http_status": 200,
        "finish_reason": "stop",
        "prompt_tokens": 100,
        "cached_tokens": None,
        "completion_tokens": 50,
        "reasoning_tokens": None,
        "cost_usd": 0.25,
        "latency_s": 1.5,
        "first_token_s": 0.5,
        "started_at": STARTED,
        "served_model": "model-1",
        "response_format": "json_schema",
        "request_sha256": "cd" * 32,
        "prompt": "[]",
        "raw_reply": "{}",
        "charged_tokens": 150,
        "charged_cost_usd": 0.25,
    }
    return CallRecord(key=key, **(defaults | values))


def step(key: StepKey = QUESTION, **values: Any) -> StepRecord:
    """Returns how a step ended; well, if nothing else is said."""
    defaults: dict[str, Any] = {"outcome": Outcome.OK, "calls": 1}
    return StepRecord(key=key, **(defaults | values))


def mark(judge: str, answerer: str, points: float, **values: Any) -> MarkRecord:
    """Returns a mark of the first round."""
    defaults: dict[str, Any] = {"label": "A", "position": 1, "rank": 1.0, "share": points / 2}
    return MarkRecord(round=1, judge=judge, answerer=answerer, points=points, **(defaults | values))
