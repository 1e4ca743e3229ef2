"""What is said to a model and what came back: the records, and the port of a chat model."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from server.league.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a conversation; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """One asking: a conversation and the shape that the reply should have.

    Attributes:
        messages: The conversation, the system message first where there is one.
        schema_name: Name of the schema, such as `judgment`.
        schema: JSON schema of the reply.
        run: Id of the run, for the header that attributes cost.
        step: The step, as `round/role/participant`, for the same.
        priority: Who goes first where calls have to wait; smaller is sooner.
        first_attempt: Number of the first attempt, more than 0 when attempts
            at this asking are already on record from before a restart.
    """

    messages: tuple[Message, ...]
    schema_name: str
    schema: dict[str, Any]
    run: str
    step: str
    priority: tuple[int, int] = (0, 0)
    first_attempt: int = 0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one call; `None` where the provider did not say."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One HTTP call to a model and what came back: the unit that is paid for.

    Attributes:
        attempt: Number of the attempt at its asking, from 0.
        outcome: OK (a reply to read), REFUSED, TRUNCATED or UNAVAILABLE.
        cause: One word when the outcome is not OK, such as `rate_limited`.
        detail: One sentence for people when the outcome is not OK; otherwise a
            note, such as which setting the endpoint did not take, or nothing.
        text: The reply's text as it came; the body of an error otherwise.
        http_status: Status; `None` when no response arrived.
        finish_reason: As the provider gave it; empty if it gave none.
        usage: Tokens.
        cost_usd: Cost by the price table; `None` where it is not known.
        latency_s: Seconds from sending the request to the end of the response,
            waiting for a free place not included.
        first_token_s: Seconds to the first piece of a streamed reply.
        started_at: When the request was sent, UTC without time zone.
        served_model: Model as the response names it.
        response_format: `json_schema`, `json_object` or `text`.
        request_sha256: Hash of the request's body, in hex.
        fatal: This participant cannot go on: wrong key, unknown model.
    """

    attempt: int
    outcome: Outcome
    cause: str = ""
    detail: str = ""
    text: str = ""
    http_status: int | None = None
    finish_reason: str = ""
    usage: Usage = Usage()
    cost_usd: float | None = None
    latency_s: float = 0.0
    first_token_s: float | None = None
    started_at: datetime
    served_model: str = ""
    response_format: str = ""
    request_sha256: str = ""
    fatal: bool = False


class CallRefused(Exception):  # noqa: N818 - not an error: the run stops asking
    """No further call may be sent; says why in one sentence."""


class CallGate(Protocol):
    """Says whether one more call may be sent, and hears what it took."""

    async def before(
        self, *, prompt_tokens: int, completion_tokens: int, cost_usd: float | None
    ) -> None:
        """Reserves the worst case of one call, which may then wait for a place.

        Raises:
            CallRefused: The call must not be sent (budget).
        """

    async def begin(self) -> None:
        """Hears that the call goes out now; from here on it is under way.

        Raises:
            CallRefused: The call must not be sent (pause).
        """

    def release(self) -> None:
        """Gives back what is reserved for a call that has not begun; otherwise does nothing."""

    def replied(self, attempt: Attempt) -> None:
        """Takes a reply to be read and gives back what was reserved for the call.

        It waits for nothing, so that no cancellation can come in between.
        """

    async def failed(self, attempt: Attempt) -> None:
        """Keeps an attempt that is not OK and gives back what was reserved for it.

        Raises:
            CallRefused: The run stops, so there must be no retry.
        """


class ChatModel(Protocol):
    """A model that can be asked, with one participant's settings."""

    async def ask(self, request: ChatRequest, gate: CallGate) -> Attempt:
        """Asks once, retrying what a retry can mend, and returns the last attempt.

        `gate.before` is awaited before each HTTP call, and `gate.replied` or
        `gate.failed` hears of it afterwards, so that every attempt is kept
        before the next one is sent. `gate.begin` is awaited in between, at the
        last moment.

        Raises:
            CallRefused: The gate refused a call.
        """


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Where the preparation of models stands, such as a download.

    Attributes:
        activity: For people, such as `fetching qwen2.5-coder-1.5b`.
        done: Bytes or models done so far.
        total: In all; 0 where it is not known.
        unit: `bytes` or `models`.
    """

    activity: str
    done: int
    total: int
    unit: str


Report = Callable[[Preparation], None]
