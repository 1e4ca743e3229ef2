"""Retries, places and records of calls: what happens around each attempt."""

import asyncio
import time

import pytest

from server.league.league import Participant
from server.league.outcome import Outcome
from server.models.chat import CallRefused, Message
from server.settings import ModelSettings
from tests.support.scripted_chat import ScriptedChat
from tests.support.scripted_endpoint import ReplyFunction, ScriptedReply, ScriptedRequest, failure

GOOD = ScriptedReply(text='{"answer": "4"}')
both_ways = pytest.mark.parametrize("stream", [False, True])


def in_turn(*replies: ScriptedReply) -> ReplyFunction:
    """Returns a function that gives the replies one after the other, the last for ever."""
    return lambda received: replies[min(received.number, len(replies) - 1)]


async def test_what_a_retry_may_mend_is_retried_and_every_attempt_recorded() -> None:
    script = in_turn(failure(500), failure(429), ScriptedReply(body="<html>"), GOOD)
    async with ScriptedChat(script, max_retries=5) as chat:
        attempt = await chat.ask(first_attempt=2)
    assert attempt.outcome is Outcome.OK
    assert chat.gate.causes == ["server_error", "rate_limited", "bad_body", ""]
    assert [kept.attempt for kept in chat.gate.attempts] == [2, 3, 4, 5]
    assert len(chat.clock.sleeps) == 3
    assert all(slept <= 2**n for n, slept in enumerate(chat.clock.sleeps))


async def test_retries_have_an_end_and_backoff_a_bound() -> None:
    async with ScriptedChat(failure(500), max_retries=12) as chat:
        attempt = await chat.ask()
    assert attempt.cause == "server_error"
    assert len(chat.endpoint.requests) == 13
    assert max(chat.clock.sleeps) <= 60


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_no_retry_mends_is_not_retried(status: int) -> None:
    async with ScriptedChat(failure(status), max_retries=5) as chat:
        await chat.ask()
    assert len(chat.endpoint.requests) == 1
    assert chat.clock.sleeps == []


@pytest.mark.parametrize("refusal", [failure(401), failure(403), failure(404, "model not found")])
async def test_who_has_been_served_is_not_given_up_for_one_refusal(refusal: ScriptedReply) -> None:
    async with ScriptedChat(in_turn(GOOD, refusal, refusal, GOOD), max_retries=2) as chat:
        await chat.ask()
        attempt = await chat.ask()
    assert attempt.outcome is Outcome.OK
    assert [kept.http_status for kept in chat.gate.attempts] == [
        200,
        refusal.status,
        refusal.status,
        200,
    ]
    assert len(chat.clock.sleeps) == 2


async def test_a_refusal_that_persists_ends_at_once_the_next_time() -> None:
    async with ScriptedChat(in_turn(GOOD, failure(401)), max_retries=2) as chat:
        await chat.ask()
        lasting = await chat.ask()
        again = await chat.ask()
    assert (lasting.fatal, again.fatal) == (True, True)
    assert [kept.attempt for kept in chat.gate.attempts] == [0, 0, 1, 2, 0]


@pytest.mark.parametrize(("value", "waited"), [("7", 7), ("1e9", 300)])
async def test_the_provider_says_how_long_to_wait(value: str, waited: float) -> None:
    script = in_turn(failure(429, headers={"Retry-After": value}), GOOD)
    async with ScriptedChat(script, max_retries=1) as chat:
        attempt = await chat.ask()
    assert attempt.outcome is Outcome.OK
    assert chat.clock.sleeps == [waited]


async def test_too_many_requests_halve_how_many_go_at_once() -> None:
    async with ScriptedChat(failure(429), max_concurrent_calls=16) as chat:
        await asyncio.gather(*(chat.ask() for _ in range(4)))
    assert chat.pacer.limit == 8


async def test_waiting_for_a_place_is_not_latency() -> None:
    async with ScriptedChat(ScriptedReply(text="4", delay_s=0.1), max_concurrent_calls=1) as chat:
        begun = time.perf_counter()
        await asyncio.gather(*(chat.ask() for _ in range(5)))
        took = time.perf_counter() - begun
    latencies = [attempt.latency_s for attempt in chat.gate.attempts]
    assert min(latencies) >= 0.1
    # One after the other: all together take no longer than the whole, as they would with waiting.
    assert sum(latencies) <= took
    assert chat.endpoint.max_in_flight == 1


async def test_a_refusal_of_the_gate_sends_nothing_and_gives_the_place_back() -> None:
    async with ScriptedChat(GOOD, requests_per_minute=1) as chat:
        chat.gate.allowed = 0
        for _ in range(3):
            with pytest.raises(CallRefused):
                await chat.ask()
    assert chat.endpoint.requests == []
    assert chat.gate.attempts == []
    assert chat.pacer.in_flight == 0


async def test_the_gate_is_asked_before_each_attempt() -> None:
    async with ScriptedChat(failure(500), max_retries=5) as chat:
        chat.gate.allowed = 2
        with pytest.raises(CallRefused):
            await chat.ask()
    assert len(chat.gate.attempts) == 2


async def test_a_cancelled_call_is_recorded_before_the_cancellation_goes_on() -> None:
    async with ScriptedChat(ScriptedReply(delay_s=300)) as chat:
        chat.gate.after_s = 0.05
        task = asyncio.create_task(chat.ask())
        await asyncio.wait_for(chat.endpoint.received.wait(), 60)
        task.cancel()
        await asyncio.wait_for(chat.gate.failing.wait(), 60)
        # Impatience does not lose the record.
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert chat.gate.causes == ["interrupted"]
    assert chat.gate.attempts[0].latency_s > 0
    assert chat.pacer.in_flight == 0


async def test_a_failed_call_is_recorded_though_its_task_is_cancelled_meanwhile() -> None:
    async with ScriptedChat(failure(500), max_retries=0) as chat:
        chat.gate.after_s = 0.05
        task = asyncio.create_task(chat.ask())
        await asyncio.wait_for(chat.gate.failing.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert chat.gate.causes == ["server_error"]


@both_ways
async def test_no_key_is_ever_kept(stream: bool) -> None:
    key = "sk-very-secret-key"

    def echo(received: ScriptedRequest) -> ScriptedReply:
        assert received.headers["authorization"] == f"Bearer {key}"
        return failure(401, f"Incorrect API key provided: {key}")

    async with ScriptedChat(echo, secret=key, stream=stream) as chat:
        attempt = await chat.ask()
    assert "Incorrect API key provided: [key]" in attempt.text
    assert key not in repr(chat.gate.attempts)
    assert key not in repr(chat.model.__dict__)


@both_ways
@pytest.mark.parametrize(
    "reply",
    [
        # The excerpt of the detail ends within the key, wherever it begins.
        *(failure(401, "x" * n + " sk-very-secret-key" + "y" * 99) for n in (270, 285, 290, 298)),
        failure(401, "x" * (64 * 1024 - 80) + " sk-very-secret-key" * 20),
        ScriptedReply(body="x" * 290 + " sk-very-secret-key" + "y" * 99),
        ScriptedReply(body={"error": {"message": "x" * 290 + " sk-very-secret-key"}}),
        ScriptedReply(body="data: " + "x" * 290 + " sk-very-secret-key\n\ndata: [DONE]\n\n"),
    ],
)
async def test_no_part_of_a_key_is_ever_kept(reply: ScriptedReply, stream: bool) -> None:
    key = "sk-very-secret-key"
    async with ScriptedChat(reply, secret=key, stream=stream) as chat:
        await chat.ask()
    assert "sk-v" not in repr(chat.gate.attempts)
    assert chat.gate.causes in (["unauthorized"], ["bad_body"], ["server_error"])


async def test_no_more_of_an_error_is_kept_than_can_be_of_use() -> None:
    async with ScriptedChat(failure(500, "x" * 20_000_000)) as chat:
        attempt = await chat.ask()
    assert attempt.cause == "server_error"
    assert 1000 < len(attempt.text) <= 64 * 1024
    assert len(attempt.detail) < 1000


async def test_the_worst_case_is_reserved() -> None:
    prices = ModelSettings(prompt_usd_per_million=1, completion_usd_per_million=2)
    participant = Participant(id="a", provider="own", model="m", max_output_tokens=500)
    async with ScriptedChat(GOOD, participant=participant, prices=prices) as chat:
        await chat.ask(
            "Wie viel ist 2+2? " * 50, messages=(Message(role="user", content="x" * 100),)
        )
    prompt, completion, cost_usd = chat.gate.reserved[0]
    assert prompt > 50
    assert completion == 500
    assert cost_usd == pytest.approx((prompt + 1000) / 1e6)
