"""What the store keeps, as frozen records. Times are UTC without time zone."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from server.league.league import League
from server.league.outcome import Outcome
from server.league.schedule import StepKey


def utc_now() -> datetime:
    """Returns the time now as the store keeps it: UTC, without time zone."""
    return datetime.now(UTC).replace(tzinfo=None)


class RunState(StrEnum):
    """Place of a run in its life."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing goes on in this state by itself; only a caller may leave it."""
        return self in {RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a run failed: an error's reason, message and parts."""

    reason: str
    message: str
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is and what it has used; see `Progress` in the contract."""

    done_steps: int = 0
    total_steps: int = 0
    ok_steps: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    unpriced_calls: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    marks: int = 0
    total_marks: int = 0
    charged_tokens: int = 0
    charged_cost_usd: float = 0.0
    failed_steps: int = 0


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A run to be created.

    Attributes:
        run_id: Final part of the run's name.
        league: What to play.
        prompts_sha256: Hash of the prompt set.
        prompts: The prompts by role, kept once for each hash.
        server_version: Version that creates it.
        settings: What the server's settings said, without secrets.
        request_id: Makes the creation idempotent; empty without.
        content_sha256: Hash of what was asked for, compared on a repeat.
        source_run: Run whose questions and answers are taken over.
    """

    run_id: str
    league: League
    prompts_sha256: str
    prompts: dict[str, str]
    server_version: str
    settings: dict[str, Any]
    request_id: str = ""
    content_sha256: str = ""
    source_run: str = ""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run as it is now; `number` counts the runs of a database from 1."""

    run_id: str
    number: int
    league: League
    state: RunState
    state_reason: str
    failure: Failure | None
    prompts_sha256: str
    source_run: str
    server_version: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: Progress

    @property
    def name(self) -> str:
        """Resource name."""
        return f"runs/{self.run_id}"


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """How a step ended; `content` is the question or the answer as it was read.

    `retries` counts how often it had failed before and was opened again; `earlier_cause` and
    `earlier_detail` say why it had failed the last time. Only `Store.played` reads them.
    """

    key: StepKey
    outcome: Outcome
    cause: str = ""
    detail: str = ""
    reasks: int = 0
    repaired: bool = False
    calls: int = 0
    content: dict[str, Any] | None = None
    retries: int = 0
    earlier_cause: str = ""
    earlier_detail: str = ""


@dataclass(frozen=True, kw_only=True)
class MarkRecord:
    """One mark with its place: see `server.league.scoring.Mark`."""

    round: int
    judge: str
    answerer: str
    label: str
    position: int
    rank: float | None = None
    score: float | None = None
    points: float | None = None
    share: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """One call to a model; see `server.models.chat.Attempt` for the fields.

    `prompt` is the JSON of the messages, `raw_reply` the reply as it came. Both
    are empty when they were not asked for. `charged_tokens` and
    `charged_cost_usd` are what the budget counts; see `server.play.ledger`.
    """

    key: StepKey
    ask: int
    attempt: int
    outcome: Outcome
    cause: str
    detail: str
    http_status: int | None
    finish_reason: str
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    latency_s: float
    first_token_s: float | None
    started_at: datetime
    served_model: str
    response_format: str
    request_sha256: str
    prompt: str
    raw_reply: str
    charged_tokens: int
    charged_cost_usd: float
    sequence: int = 0


@dataclass(frozen=True, kw_only=True)
class LedgerRecord:
    """What one participant used in one role; see `LedgerEntry` in the contract."""

    calls: int = 0
    failed_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    unpriced_calls: int = 0
    charged_tokens: int = 0
    charged_cost_usd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EventRecord:
    """Something that happened in a run.

    `kind` is state, step, preparation, limits or reopened.
    """

    sequence: int
    at: datetime
    kind: str
    body: dict[str, Any]
    progress: Progress
