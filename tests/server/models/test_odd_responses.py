"""Responses of which nobody has thought: recorded, charged, and followed nowhere."""

import asyncio
from datetime import UTC, datetime

import httpx2
import pytest

from server.league.outcome import Outcome
from server.models.endings import excerpt, retry_after, shown_target
from server.models.exchange import Exchange
from server.settings import ModelSettings
from tests.support.scripted_chat import ScriptedChat
from tests.support.scripted_endpoint import ScriptedEndpoint, ScriptedReply, ScriptedRequest

KEY = "sk-very-secret-key"
PRICES = ModelSettings(prompt_usd_per_million=1, completion_usd_per_million=1)
GOOD = ScriptedReply(text='{"answer": "4"}')
BROKEN = ScriptedReply(raw=b"HTTP/1.1 200 Tr\xe8s bien\r\nContent-Length: 2\r\n\r\n{}")


async def test_a_status_line_that_the_transport_cannot_read_is_a_call_that_was_made() -> None:
    async with ScriptedChat(BROKEN, prices=PRICES, max_retries=1) as chat:
        attempt = await chat.ask()
    assert chat.gate.causes == ["unforeseen", "unforeseen"]
    assert (attempt.outcome, attempt.fatal) == (Outcome.UNAVAILABLE, False)
    assert "UnicodeEncodeError" in attempt.detail
    # Nobody knows what it cost.
    assert attempt.cost_usd is None
    assert chat.pacer.in_flight == 0


async def test_an_exception_while_a_reply_is_read_is_recorded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(_: object) -> None:
        raise RuntimeError(f"of the reader, with Bearer {KEY}")

    async with ScriptedChat(GOOD, secret=KEY) as chat:
        monkeypatch.setattr("server.models.reply.ReplyReader.ending", failing)
        attempt = await chat.ask()
    assert attempt.cause == "unforeseen"
    assert "(RuntimeError: of the reader, with Bearer [key])" in attempt.detail
    assert attempt.text == GOOD.text
    # The log says where, and not what, which may hold a key or a reply.
    (record,) = caplog.records
    assert (vars(record)["kind"], KEY in caplog.text) == ("RuntimeError", False)
    assert "test_odd_responses.py:" in vars(record)["where"]


async def test_a_cancellation_is_none_of_these(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancelled(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    async with ScriptedChat(GOOD) as chat:
        monkeypatch.setattr(Exchange, "_receive", cancelled)
        with pytest.raises(asyncio.CancelledError):
            await chat.ask()
    assert chat.gate.causes == ["interrupted"]


@pytest.mark.parametrize(
    "value",
    [
        "Wed, 21 Oct 99999999999 07:28:00 GMT",
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
        "Wed, 21 Oct 2015 07:28:00 +99999999999999999999",
        " , ",
        "\x00",
    ],
)
def test_a_date_that_is_none_asks_to_wait_for_nothing(value: str) -> None:
    assert retry_after(httpx2.Headers({"Retry-After": value}), datetime.now(UTC)) is None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_one_call_and_goes_nowhere(status: int, stream: bool) -> None:
    async with ScriptedEndpoint(lambda _: GOOD) as other:
        to = f"{other.base_url}/chat/completions?token=abc"
        reply = ScriptedReply(status=status, body="", headers={"Location": to})
        async with ScriptedChat(reply, stream=stream, prices=PRICES, max_retries=3) as chat:
            attempt = await chat.ask()
    assert (len(chat.endpoint.requests), len(other.requests)) == (1, 0)
    assert (attempt.cause, attempt.http_status) == ("redirected", status)
    assert (attempt.outcome, attempt.fatal) == (Outcome.UNAVAILABLE, False)
    assert f"to {other.base_url}/chat/completions)" in attempt.detail
    assert "correct base_url" in attempt.detail
    assert "abc" not in attempt.detail
    # Sent away, it did no work.
    assert attempt.cost_usd == 0.0


async def test_a_redirect_to_itself_is_no_loop() -> None:
    def reply(received: ScriptedRequest) -> ScriptedReply:
        return ScriptedReply(
            status=307, body="", headers={"Location": "/v1/chat/completions"}
        ) if received.number < 3 else GOOD  # fmt: skip

    async with ScriptedChat(reply) as chat:
        for _ in range(3):
            assert (await chat.ask()).cause == "redirected"
        assert (await chat.ask()).outcome is Outcome.OK
    assert len(chat.endpoint.requests) == 4


@pytest.mark.parametrize(
    "location",
    [b"http://..../", b"http://[::bad/", b"http://a:99999/", b"http://" + b"a" * 300 + b".com/",
     b"\xff", b"ftp://x/", b"javascript:alert(1)", b"http://\xe2\x80\xae\xf0\x9f\x98\x80/", b""],
)  # fmt: skip
async def test_a_target_that_is_no_address_is_told_as_it_is(location: bytes) -> None:
    raw = b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    async with ScriptedChat(ScriptedReply(raw=raw)) as chat:
        attempt = await chat.ask()
    assert (attempt.cause, attempt.http_status) == ("redirected", 302)
    assert attempt.detail.isprintable()


def test_a_target_is_shown_without_secrets_and_within_bounds() -> None:
    assert shown_target("https://me:word@a.b/login?token=1#x") == "to https://a.b/login"
    assert shown_target("?x") == shown_target("") == "to no address"
    assert len(shown_target("http://x/" + "y" * 10_000)) < 320


def test_an_excerpt_is_one_line_that_can_be_shown() -> None:
    assert excerpt("\x1b[2J a\r\nb\ud800\u202e c") == "[2J a b? c"
    assert excerpt(" " * 100_000 + "a") == "a"
    assert excerpt("a" * 400) == "a" * 300 + "..."
    assert excerpt("a" + " " * 4000 + "b") == "a..."
