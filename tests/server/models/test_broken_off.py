"""Responses that break off: what is known by then counts, and nothing that is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.league.league import Participant
from server.league.outcome import Outcome
from server.models.connection import Connection
from server.models.openai_chat import Endpoint, OpenAIChat
from server.models.pacing import Pacer
from server.models.redaction import Redaction
from server.settings import ModelSettings, ProviderSettings
from tests.support.scripted_chat import RecordingGate, ScriptedChat, request
from tests.support.scripted_endpoint import ScriptedReply, failure

KEY = "sk-very-secret-key"
MAX_ERROR = 64 * 1024


class Broken:
    """An endpoint that sends the same bytes to everyone, and the model behind it.

    Attributes:
        pacer: Pacer of the provider.
        gate: What was asked and came back.
    """

    def __init__(self, port: int) -> None:
        self.settings = ProviderSettings(
            base_url=f"http://127.0.0.1:{port}/v1", max_retries=0, timeout_s=2.0
        )
        self.connection = Connection.open(self.settings)
        self.pacer = Pacer(max_concurrent=16)
        self.gate = RecordingGate()

    async def ask(self) -> None:
        """Asks once."""
        endpoint = Endpoint(
            connection=self.connection,
            pacer=self.pacer,
            settings=self.settings,
            redaction=Redaction(KEY),
        )
        participant = Participant(id="a", provider="own", model="m")
        await OpenAIChat(participant, endpoint).ask(request(), self.gate)


@asynccontextmanager
async def sending(data: bytes, *, cut: bool) -> AsyncIterator[Broken]:
    """Serves an endpoint that sends so much and then cuts the connection, or falls silent."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        while not cut and await reader.read(65536):
            pass
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    broken = Broken(server.sockets[0].getsockname()[1])
    try:
        yield broken
    finally:
        await broken.connection.close()
        server.close()
        await server.wait_closed()


def _head(status: int, length: int = 100_000) -> bytes:
    return (
        f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\n"
        f"Retry-After: 7\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize(
    ("status", "cause"),
    [(429, "rate_limited"), (401, "unauthorized"), (402, "quota_exhausted"), (503, "server_error")],
)
async def test_an_error_whose_body_breaks_off_is_what_its_status_says(
    status: int, cause: str, cut: bool
) -> None:
    async with sending(_head(status) + b'{"error": {"mess', cut=cut) as broken:
        await broken.ask()
    attempt = broken.gate.attempts[0]
    assert (attempt.cause, attempt.http_status) == (cause, status)
    assert attempt.fatal is (status in {401, 402})
    # Nothing is known to be whole, so the end of the text may be the beginning of the key.
    assert attempt.text == ""
    assert broken.pacer.limit == (8 if status == 429 else 16)


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("data", [_head(401) + b"{", _head(200) + b'{"choices": [{"mess'])
async def test_what_breaks_off_is_no_success_of_the_provider(data: bytes, cut: bool) -> None:
    async with sending(data, cut=cut) as broken:
        broken.pacer.throttled()
        await asyncio.gather(*(broken.ask() for _ in range(12)))
    assert broken.pacer.limit == 8


async def test_whole_replies_are() -> None:
    async with ScriptedChat(ScriptedReply(text="4")) as chat:
        chat.pacer.throttled()
        for _ in range(12):
            await chat.ask()
    assert chat.pacer.limit == 9


@pytest.mark.parametrize("shown", range(1, len(KEY)))
async def test_no_beginning_of_a_key_ends_an_error(shown: int) -> None:
    """What is read ends within the key, to the byte, though more is to come."""
    body = b"x" * (MAX_ERROR - shown) + KEY[:shown].encode()
    async with sending(_head(500) + body, cut=False) as broken:
        await broken.ask()
    kept = broken.gate.attempts[0].text
    assert set(kept) == {"x"}
    assert len(kept) > MAX_ERROR - 100


@pytest.mark.parametrize(
    ("reply", "tokens"),
    [
        # The usage of the first piece is not that of the call.
        (
            ScriptedReply(
                body='data: {"choices": [{"delta": {"content": "a"}}], "usage": '
                '{"prompt_tokens": 10, "completion_tokens": 1}}\n\n'
            ),
            None,
        ),
        (failure(408), None),
        (failure(504), None),
        (failure(503), 0),
        (ScriptedReply(text="4"), 150),
        # It came to its end, though there is nothing in it.
        (ScriptedReply(text=""), 150),
    ],
)
async def test_a_minute_counts_what_may_have_been_worked(
    reply: ScriptedReply, tokens: int | None
) -> None:
    participant = Participant(id="a", provider="own", model="scripted", max_output_tokens=500)
    prices = ModelSettings(prompt_usd_per_million=1, completion_usd_per_million=1)
    async with ScriptedChat(
        reply, stream=True, participant=participant, prices=prices, tokens_per_minute=2000
    ) as chat:
        attempt = await chat.ask()
        prompt, completion, _ = chat.gate.reserved[0]
        counted = prompt + completion if tokens is None else tokens
        # A call that just fits beside it has its place at once, and a larger one has not.
        async with asyncio.timeout(60), chat.pacer.place((0, 0), 2000 - counted):
            pass
        larger = asyncio.create_task(chat.pacer.acquire((0, 0), 2001 - counted, ""))
        await asyncio.sleep(0)
        assert larger.done() is (tokens == 0)
        larger.cancel()
        await asyncio.gather(larger, return_exceptions=True)
    if reply.status != 200:
        assert attempt.cost_usd == (0.0 if tokens == 0 else None)
    assert (attempt.outcome is Outcome.OK) is (reply.text == "4")
