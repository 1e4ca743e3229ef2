"""Bodies beyond all measure: bounded, read beside the event loop, and recorded as what they are."""

import gzip
import threading
from typing import Any

import pytest

from server.league.outcome import Outcome
from server.models import reply
from server.models.events import parsed
from server.settings import ModelSettings
from tests.support.scripted_chat import ScriptedChat
from tests.support.scripted_endpoint import ScriptedReply

MIB = 1024 * 1024
HEAD = 64 * 1024
PRICES = ModelSettings(prompt_usd_per_million=1, completion_usd_per_million=1)
KEY = "sk-very-secret-key"


def completion(text: str) -> str:
    """Returns a whole completion with that text, which needs no escapes."""
    return '{"choices":[{"message":{"content":"' + text + '"},"finish_reason":"stop"}]}'


def event(text: str) -> str:
    """Returns a stream of one event with that text."""
    return f"data: {completion(text)}\n\ndata: [DONE]\n\n"


@pytest.mark.parametrize(
    "body",
    ["<html>" + "x" * 11 * MIB, completion("x" * 11 * MIB), event("x" * 11 * MIB),
     "data: x\n" * (2 * MIB), "data:\n" * (3 * MIB)],
    ids=["HTML", "JSON", "an event", "lines", "empty lines"],
)  # fmt: skip
async def test_what_is_larger_than_any_reply_is_a_cause_of_its_own(body: str) -> None:
    async with ScriptedChat(ScriptedReply(body=body), stream=True, prices=PRICES) as chat:
        attempt = await chat.ask()
    assert (attempt.outcome, attempt.cause) == (Outcome.UNAVAILABLE, "body_too_large")
    assert str(10 * MIB) in attempt.detail
    assert attempt.http_status == 200
    assert 1000 < len(attempt.text) <= HEAD
    assert attempt.cost_usd is None


async def test_a_small_response_that_unpacks_to_a_huge_one_is_no_larger() -> None:
    packed = gzip.compress(b"<html>" + b"x" * 64 * MIB)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    async with ScriptedChat(ScriptedReply(raw=head.encode() + packed)) as chat:
        attempt = await chat.ask()
    assert attempt.cause == "body_too_large"
    assert len(attempt.text) == HEAD


@pytest.mark.parametrize("form", [completion, event])
async def test_a_long_reply_is_read_beside_the_event_loop(
    form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[threading.Thread] = []

    def remembering(text: str) -> Any:
        readers.append(threading.current_thread())
        return parsed(text)

    monkeypatch.setattr(reply, "parsed", remembering)
    for size in (1000, 5 * MIB):
        async with ScriptedChat(ScriptedReply(body=form("x" * size)), stream=True) as chat:
            attempt = await chat.ask()
        assert (attempt.outcome, len(attempt.text)) == (Outcome.OK, size)
    here, beside = readers
    assert (here, beside is here) == (threading.current_thread(), False)


@pytest.mark.parametrize("piece", ["[],", '{"a":1},', '"a,",', "1,", '["\\"",{}],'])
def test_a_text_of_very_many_values_is_no_reply(piece: str) -> None:
    many = "[" + piece * 300_000 + "1]"
    assert parsed(many) is None
    assert parsed("[" + piece * 100_000 + "1]") is not None
    # In a text they are a model's own words.
    words = completion("[],{} " * 300_000)
    assert parsed(words)["choices"][0]["finish_reason"] == "stop"


async def test_the_head_of_what_is_too_large_does_not_end_in_a_key() -> None:
    body = "<" * (HEAD - 5) + KEY + "<" * 11 * MIB
    async with ScriptedChat(ScriptedReply(body=body), secret=KEY) as chat:
        attempt = await chat.ask()
    assert set(attempt.text) == {"<"}


@pytest.mark.parametrize("count", [10**8 + 1, 2**53 - 1, 10**30])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_count_of_tokens_that_no_call_has_is_unknown(count: int, stream: bool) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 10**8}
    good = ScriptedReply(text="4", usage=usage)
    async with ScriptedChat(good, stream=stream, prices=PRICES) as chat:
        attempt = await chat.ask()
    assert attempt.outcome is Outcome.OK
    assert (attempt.usage.prompt_tokens, attempt.usage.completion_tokens) == (None, 10**8)
    assert attempt.cost_usd is None
