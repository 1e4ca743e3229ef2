"""A chat model behind any endpoint that speaks the OpenAI chat API."""

import asyncio
import hashlib
import json
import random
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from server.carrying import carry_through
from server.league.league import Participant
from server.league.outcome import Outcome
from server.models.chat import Attempt, CallGate, ChatRequest, Usage
from server.models.concessions import Concessions
from server.models.connection import Connection
from server.models.endings import (
    BLIPS,
    RETRIED,
    Ending,
    came_whole,
    did_no_work,
    unavailable,
)
from server.models.exchange import Exchange
from server.models.pacing import Pacer, Place
from server.models.pricing import cost, worst_case
from server.models.redaction import Redaction
from server.models.run_room import RunRoom
from server.settings import ModelSettings, ProviderSettings

Sleep = Callable[[float], Awaitable[object]]

_MAX_BACKOFF_S = 60.0
_HEADER_SAFE = " /:@!$&'()*+,;=~[]"

_random = random.SystemRandom()
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One model of one provider, shared by all participants that play with it.

    Attributes:
        connection: The way to the endpoint.
        pacer: Pacer of the provider.
        settings: The provider's settings.
        prices: What is known of the model; `None` if nothing is.
        redaction: Hides the key, which must not reach a record.
        concessions: What the endpoint has refused so far.
    """

    connection: Connection
    pacer: Pacer
    settings: ProviderSettings
    prices: ModelSettings | None = None
    redaction: Redaction = field(default_factory=Redaction)
    concessions: Concessions = field(default_factory=Concessions)


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """An attempt and what follows from it."""

    attempt: Attempt
    conceded: bool
    retry_after_s: float | None


class OpenAIChat:
    """A model that can be asked, with one participant's settings."""

    def __init__(
        self,
        participant: Participant,
        endpoint: Endpoint,
        room: RunRoom | None = None,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Creates the port to a model; asks for nothing.

        Args:
            participant: Whose settings it has.
            endpoint: The model.
            room: The room of the run that it plays in; no bound if `None`.
            sleep: Waits before a retry.
        """
        self._participant = participant
        self._endpoint = endpoint
        self._room = room
        self._sleep = sleep

    async def ask(self, request: ChatRequest, gate: CallGate) -> Attempt:
        """Asks once, retrying what a retry can mend, and returns the last attempt.

        An attempt that an endpoint refused for its form is asked again at once
        in another form, and does not count as a retry.

        Raises:
            CallRefused: The gate refused a call.
        """
        number = request.first_attempt
        failures = 0
        while True:
            tried = await self._attempt(request, gate, number)
            number += 1
            if tried.conceded:
                continue
            if not self._mendable(tried.attempt):
                return tried.attempt
            if failures >= self._endpoint.settings.max_retries:
                if tried.attempt.fatal:
                    self._endpoint.concessions.served = False
                return tried.attempt
            first_s = self._endpoint.settings.backoff_s
            backoff = _random.uniform(0, min(_MAX_BACKOFF_S, first_s * 2**failures))
            failures += 1
            await self._sleep(max(backoff, tried.retry_after_s or 0.0))

    def _mendable(self, attempt: Attempt) -> bool:
        """Says whether another attempt may mend this one.

        A gateway may refuse the key or the model of a moment ago while it is
        being changed, so who has been served is not given up at once.
        """
        if attempt.fatal:
            return attempt.cause in BLIPS and self._endpoint.concessions.served
        return attempt.cause in RETRIED

    async def _attempt(self, request: ChatRequest, gate: CallGate, number: int) -> _Tried:
        endpoint = self._endpoint
        turnstile = endpoint.connection.turnstile
        # Made ready only in its turn, so that the first calls are on their way
        # while the others of a burst are being written.
        await turnstile.enter()
        turn = turnstile.turn
        sent = self._encoded(request)
        worst = worst_case(
            sent.data,
            len(request.messages),
            self._participant.max_output_tokens,
            endpoint.prices,
        )
        # Before there is a place: who waits for a budget must not keep others from theirs.
        await gate.before(
            prompt_tokens=worst.prompt_tokens,
            completion_tokens=worst.completion_tokens,
            cost_usd=worst.cost_usd,
        )
        try:
            return await self._in_place(request, gate, _Ready(number, turn, sent, worst.tokens))
        finally:
            gate.release()

    async def _in_place(self, request: ChatRequest, gate: CallGate, ready: "_Ready") -> _Tried:
        """Makes a call that is ready once it has a place."""
        endpoint, sent = self._endpoint, ready.sent
        turnstile = endpoint.connection.turnstile
        async with endpoint.pacer.place(
            request.priority, ready.tokens, request.run, self._room
        ) as place:
            if turnstile.turn != ready.turn:
                await turnstile.enter()
            if sent.learnt != endpoint.concessions.learnt:
                # Another call has taught what to leave out while this one waited.
                sent = self._encoded(request)
            exchange = Exchange(
                endpoint.connection,
                endpoint.redaction,
                timeout_s=endpoint.settings.timeout_s,
                stall_s=endpoint.settings.stall_s,
            )
            record = _Record(ready.number, sent)
            # Last, so that nothing can fail between the beginning of a call and the call.
            await gate.begin()
            place.sent()
            try:
                ending = await exchange.run(
                    sent.data, _headers(request), streamed=bool(sent.body.get("stream"))
                )
            except asyncio.CancelledError:
                ending = unavailable("interrupted", "the call was given up while it was under way")
                await carry_through(gate.failed(self._record(record, exchange, ending)))
                raise
            if ending.outcome is not Outcome.UNAVAILABLE:
                endpoint.concessions.served = True
            if ending.outcome is Outcome.OK and sent.note:
                note = "; ".join(filter(None, (ending.detail, sent.note)))
                ending = replace(ending, detail=note)
            conceded = self._concede(sent.body, exchange, ending)
            if conceded:
                detail = f"{ending.detail}; asked again {conceded}"
                ending = unavailable("bad_request", detail)
            self._pace(place, exchange, ending)
            attempt = self._record(record, exchange, ending)
            if attempt.outcome is Outcome.OK:
                gate.replied(attempt)
            else:
                # On record even if this task is cancelled meanwhile: it is paid for.
                await carry_through(gate.failed(attempt))
        return _Tried(
            attempt=attempt, conceded=bool(conceded), retry_after_s=exchange.retry_after_s
        )

    def _encoded(self, request: ChatRequest) -> "_Sent":
        """Returns the request as the endpoint takes it, as far as that is known."""
        concessions = self._endpoint.concessions
        full = self._fullest(request)
        body = concessions.apply(
            full,
            request.schema_name,
            request.schema,
            bounded=self._endpoint.settings.bounded_schemas,
        )
        return _Sent(body, _encode(body).encode(), concessions.learnt, concessions.note(full))

    def _fullest(self, request: ChatRequest) -> dict[str, Any]:
        """Returns the request with all the participant's settings."""
        participant, endpoint = self._participant, self._endpoint
        stream = endpoint.prices.stream if endpoint.prices is not None else None
        if stream is None:
            stream = endpoint.settings.stream
        optional: dict[str, Any] = {
            "temperature": participant.temperature,
            "top_p": participant.top_p,
            "frequency_penalty": participant.frequency_penalty,
            "seed": participant.sampling_seed,
            "max_tokens": participant.max_output_tokens,
            "reasoning_effort": participant.reasoning_effort or None,
            "stream": True if stream else None,
            "stream_options": {"include_usage": True} if stream else None,
        }
        return {
            "model": participant.model,
            "messages": [
                {
                    "role": message.role,
                    # A reply that is quoted may hold half a surrogate pair,
                    # which no request can carry.
                    "content": message.content.encode("utf-8", "replace").decode("utf-8"),
                }
                for message in request.messages
            ],
            **{key: value for key, value in optional.items() if value is not None},
        }

    def _concede(self, body: dict[str, Any], exchange: Exchange, ending: Ending) -> str:
        """Learns what to leave out next time; empty if the refusal is not of that kind."""
        if exchange.error_body is None or exchange.status is None:
            return ""
        if ending.fatal and ending.cause != "unknown_model":
            return ""
        return self._endpoint.concessions.learn(
            body, exchange.status, exchange.error_body, exchange.error_param
        )

    def _pace(self, place: Place, exchange: Exchange, ending: Ending) -> None:
        pacer = self._endpoint.pacer
        usage = exchange.reader.usage
        whole = came_whole(ending.outcome, ending.cause)
        if whole and usage.prompt_tokens is not None and usage.completion_tokens is not None:
            place.settle(usage.prompt_tokens + usage.completion_tokens)
        elif did_no_work(ending.cause, exchange.status):
            place.settle(0)
        if ending.cause == "rate_limited":
            pacer.throttled()
        elif whole:
            pacer.succeeded()
        if exchange.retry_after_s:
            pacer.hold(exchange.retry_after_s, self._endpoint.redaction(ending.detail))

    def _record(self, record: "_Record", exchange: Exchange, ending: Ending) -> Attempt:
        usage, hide = exchange.reader.usage, self._endpoint.redaction
        if usage == Usage() and did_no_work(ending.cause, exchange.status):
            nothing = Usage(prompt_tokens=0, completion_tokens=0)
            cost_usd = cost(nothing, self._endpoint.prices)
        else:
            cost_usd = cost(usage, self._endpoint.prices)
        return Attempt(
            attempt=record.number,
            outcome=ending.outcome,
            cause=ending.cause,
            detail=hide(ending.detail),
            # A reply is kept as it came; only errors quote keys.
            text=hide(exchange.text) if ending.outcome is Outcome.UNAVAILABLE else exchange.text,
            http_status=exchange.status,
            finish_reason=exchange.reader.finish_reason,
            usage=usage,
            cost_usd=cost_usd,
            latency_s=exchange.latency_s,
            first_token_s=exchange.first_token_s,
            started_at=exchange.started_at,
            served_model=exchange.reader.served_model,
            response_format=record.sent.response_format,
            request_sha256=record.sent.digest,
            fatal=ending.fatal,
        )


@dataclass(frozen=True)
class _Sent:
    """A request as it is sent.

    Attributes:
        body: The request.
        data: The same, encoded.
        learnt: How much the endpoint had refused by then.
        note: What of the participant's settings it goes without; empty if nothing.
    """

    body: dict[str, Any]
    data: bytes
    learnt: int
    note: str

    @property
    def response_format(self) -> str:
        return str(self.body.get("response_format", {"type": "text"})["type"])

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class _Ready:
    """A call that only needs a place.

    Attributes:
        number: Number of the attempt.
        turn: The turn in which it was made ready.
        sent: The request.
        tokens: Tokens that it may take.
    """

    number: int
    turn: int
    sent: _Sent
    tokens: int


@dataclass(frozen=True)
class _Record:
    """What of an attempt is known when it is sent."""

    number: int
    sent: _Sent


def _headers(request: ChatRequest) -> Mapping[str, str]:
    return {
        "X-LLM-Crowdsourced-Run": urllib.parse.quote(request.run, safe=_HEADER_SAFE),
        "X-LLM-Crowdsourced-Step": urllib.parse.quote(request.step, safe=_HEADER_SAFE),
    }
