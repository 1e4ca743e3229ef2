"""A chat model over a scripted endpoint, with a gate that remembers and a sleep that does not wait."""

import asyncio
import os
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

from server.league.league import Participant
from server.models.chat import Attempt, CallRefused, ChatRequest, Message
from server.models.concessions import Concessions
from server.models.connection import Connection
from server.models.openai_chat import Endpoint, OpenAIChat
from server.models.pacing import Pacer
from server.models.redaction import Redaction
from server.settings import ModelSettings, ProviderSettings
from tests.support.scripted_endpoint import ReplyFunction, ScriptedEndpoint, ScriptedReply

KEY_VARIABLE = "LLM_CROWDSOURCED_TEST_KEY"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string", "maxLength": 40}},
    "required": ["answer"],
    "additionalProperties": False,
}


def request(text: str = "What is 2+2? Reply in JSON.", **fields: Any) -> ChatRequest:
    """Returns a request for an answer."""
    values: dict[str, Any] = {
        "messages": (Message(role="user", content=text),),
        "schema_name": "answer",
        "schema": SCHEMA,
        "run": "run-1",
        "step": "1/answer/a",
    }
    return ChatRequest(**{**values, **fields})


class RecordingGate:
    """A gate that lets so many calls pass and remembers all it heard."""

    def __init__(self, allowed: int = 1000, after_s: float = 0.0) -> None:
        self.allowed = allowed
        self.after_s = after_s
        self.failing = asyncio.Event()
        self.reserved: list[tuple[int, int, float | None]] = []
        self.attempts: list[Attempt] = []

    async def before(
        self, *, prompt_tokens: int, completion_tokens: int, cost_usd: float | None
    ) -> None:
        """Remembers the reservation."""
        if len(self.reserved) >= self.allowed:
            raise CallRefused("the budget is used up")
        self.reserved.append((prompt_tokens, completion_tokens, cost_usd))

    async def begin(self) -> None:
        """Lets every call go out whose worst case was reserved."""

    def release(self) -> None:
        """Forgets nothing: what was reserved stays on record."""

    def replied(self, attempt: Attempt) -> None:
        """Remembers the reply."""
        self.attempts.append(attempt)

    async def failed(self, attempt: Attempt) -> None:
        """Remembers the attempt, after a while; `failing` is set meanwhile."""
        self.failing.set()
        await asyncio.sleep(self.after_s)
        self.attempts.append(attempt)

    @property
    def causes(self) -> list[str]:
        """Causes of the attempts, in order."""
        return [attempt.cause for attempt in self.attempts]


class Clock:
    """Seconds that pass only in `sleep`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Lets the time pass without waiting for it."""
        self.sleeps.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class ScriptedChat:
    """An endpoint with the reply function, and the port of a model to it."""

    def __init__(
        self,
        reply: ReplyFunction | ScriptedReply,
        *,
        participant: Participant | None = None,
        secret: str = "",
        prices: ModelSettings | None = None,
        **settings: Any,
    ) -> None:
        function = (lambda _: reply) if isinstance(reply, ScriptedReply) else reply
        self.endpoint = ScriptedEndpoint(function)
        self.participant = participant or Participant(id="a", provider="own", model="scripted")
        self.gate = RecordingGate()
        self.clock = Clock()
        self.concessions = Concessions()
        self.pacer = Pacer(max_concurrent=settings.get("max_concurrent_calls", 16))
        self._secret = secret
        self._prices = prices
        self._settings = settings
        self._stack = AsyncExitStack()
        self._connection: Connection | None = None
        self.model: OpenAIChat

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.endpoint)
        values = {"stream": False, "max_retries": 0, **self._settings}
        if self._secret:
            values["api_key_env"] = KEY_VARIABLE
            self._stack.enter_context(patch.dict(os.environ, {KEY_VARIABLE: self._secret}))
        settings = ProviderSettings(base_url=self.endpoint.base_url, **values)
        self.pacer = Pacer(
            max_concurrent=settings.max_concurrent_calls,
            requests_per_minute=settings.requests_per_minute,
            tokens_per_minute=settings.tokens_per_minute,
            clock=self.clock,
        )
        self._connection = Connection.open(settings)
        endpoint = Endpoint(
            connection=self._connection,
            pacer=self.pacer,
            settings=settings,
            prices=self._prices,
            redaction=Redaction(self._secret),
            concessions=self.concessions,
        )
        self.model = OpenAIChat(self.participant, endpoint, sleep=self.clock.sleep)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            await self._connection.close()
        await self._stack.aclose()

    async def ask(self, text: str = "What is 2+2? Reply in JSON.", **fields: Any) -> Attempt:
        """Asks and returns the last attempt."""
        return await self.model.ask(request(text, **fields), self.gate)
