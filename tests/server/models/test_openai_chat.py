"""How a call ends, over real HTTP: every outcome and cause."""

import asyncio
import hashlib
import json
import socket

import pytest

from server.league.league import Participant
from server.league.outcome import Outcome
from server.models.connection import Connection
from server.models.openai_chat import Endpoint, OpenAIChat
from server.models.pacing import Pacer
from server.settings import ModelSettings, ProviderSettings
from tests.support.scripted_chat import RecordingGate, ScriptedChat, request
from tests.support.scripted_endpoint import ScriptedReply, failure

GOOD = ScriptedReply(text='{"answer": "4"}')
both_ways = pytest.mark.parametrize("stream", [False, True])


@both_ways
async def test_a_reply_is_kept_with_all_that_the_provider_tells(stream: bool) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    reply = ScriptedReply(text='{"answer": "четыре"}', usage=usage, reasoning="let me think")
    prices = ModelSettings(
        prompt_usd_per_million=2, cached_usd_per_million=1, completion_usd_per_million=10
    )
    async with ScriptedChat(reply, stream=stream, prices=prices) as chat:
        attempt = await chat.ask(first_attempt=3)
    assert attempt.outcome is Outcome.OK
    assert (attempt.cause, attempt.detail, attempt.text) == ("", "", '{"answer": "четыре"}')
    assert (attempt.http_status, attempt.finish_reason, attempt.attempt) == (200, "stop", 3)
    assert attempt.usage.cached_tokens == 40
    assert attempt.usage.reasoning_tokens == 7
    assert attempt.cost_usd == pytest.approx((60 * 2 + 40 * 1 + 50 * 10) / 1e6)
    assert attempt.served_model == "scripted"
    assert attempt.response_format == "json_schema"
    assert (attempt.first_token_s is not None) is stream
    assert attempt.started_at.tzinfo is None
    assert chat.gate.attempts == [attempt]


async def test_the_hash_is_of_the_body_that_was_sent() -> None:
    async with ScriptedChat(GOOD) as chat:
        attempt = await chat.ask()
    assert attempt.request_sha256 == hashlib.sha256(chat.endpoint.requests[0].raw).hexdigest()


async def test_a_request_carries_settings_and_who_asks() -> None:
    participant = Participant(
        id="a", provider="own", model="scripted", temperature=0.5, sampling_seed=7,
        max_output_tokens=300, frequency_penalty=0.3, reasoning_effort="low", top_p=0.9,
    )  # fmt: skip
    async with ScriptedChat(GOOD, participant=participant, stream=True) as chat:
        await chat.ask(step="1/answer/Zoë\n", run="r")
    received = chat.endpoint.requests[0]
    assert received.headers["x-llm-crowdsourced-run"] == "r"
    assert received.headers["x-llm-crowdsourced-step"] == "1/answer/Zo%C3%AB%0A"
    assert "authorization" not in received.headers
    body = received.body
    assert body["stream_options"] == {"include_usage": True}
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0.5, 7, 300)
    assert (body["frequency_penalty"], body["reasoning_effort"]) == (0.3, "low")
    wanted = body["response_format"]["json_schema"]
    assert (wanted["name"], wanted["strict"]) == ("answer", True)
    assert "maxLength" not in json.dumps(wanted)


async def test_a_schema_keeps_its_bounds_where_they_are_taken() -> None:
    async with ScriptedChat(GOOD, bounded_schemas=True) as chat:
        await chat.ask()
    schema = chat.endpoint.requests[0].body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["answer"]["maxLength"] == 40


async def test_a_model_may_be_asked_without_a_stream_where_its_provider_streams() -> None:
    async with ScriptedChat(GOOD, stream=True, prices=ModelSettings(stream=False)) as chat:
        await chat.ask()
    assert "stream" not in chat.endpoint.requests[0].body


@both_ways
@pytest.mark.parametrize(
    ("reply", "outcome", "cause"),
    [
        (ScriptedReply(text=None, refusal="I will not"), Outcome.REFUSED, "refusal"),
        (ScriptedReply(text="", finish_reason="content_filter"), Outcome.REFUSED, "content_filter"),
        (ScriptedReply(text='{"answer', finish_reason="length"), Outcome.TRUNCATED, "length"),
        (ScriptedReply(text=None), Outcome.UNAVAILABLE, "empty_reply"),
        (ScriptedReply(text=" \n"), Outcome.UNAVAILABLE, "empty_reply"),
        (
            ScriptedReply(body="<html>sign in</html>", content_type="text/html"),
            Outcome.UNAVAILABLE,
            "bad_body",
        ),
        (ScriptedReply(body="ok", content_type="text/plain"), Outcome.UNAVAILABLE, "bad_body"),
        (ScriptedReply(body='{"choices": []}'), Outcome.UNAVAILABLE, "bad_body"),
        (ScriptedReply(body='"ok"'), Outcome.UNAVAILABLE, "bad_body"),
        (ScriptedReply(body=""), Outcome.UNAVAILABLE, "bad_body"),
        (
            ScriptedReply(body='data: {"choices": [{"del\n\ndata: [DONE]\n\n'),
            Outcome.UNAVAILABLE,
            "bad_body",
        ),
        (
            ScriptedReply(body='data: {"choices": [{"delta": {"content": "4"}}]}\n\n'),
            Outcome.UNAVAILABLE,
            "connection_lost",
        ),
        (
            ScriptedReply(body={"error": {"message": "overloaded", "code": 502}}),
            Outcome.UNAVAILABLE,
            "server_error",
        ),
        (
            ScriptedReply(body='data: {"error": {"message": "slow down", "code": 429}}\n\n'),
            Outcome.UNAVAILABLE,
            "rate_limited",
        ),
        (ScriptedReply(text='{"answer": "4"}', cut=True), Outcome.UNAVAILABLE, "connection_lost"),
    ],
)
async def test_a_reply_that_is_none_is_told_apart(
    stream: bool, reply: ScriptedReply, outcome: Outcome, cause: str
) -> None:
    async with ScriptedChat(reply, stream=stream) as chat:
        attempt = await chat.ask()
    assert (attempt.outcome, attempt.cause) == (outcome, cause)
    assert attempt.detail
    assert not attempt.fatal
    assert chat.pacer.in_flight == 0


@pytest.mark.parametrize(
    ("reply", "cause", "fatal"),
    [
        (failure(401, "Incorrect API key"), "unauthorized", True),
        (failure(403), "forbidden", True),
        (failure(404, "The model `x` does not exist", "model_not_found"), "unknown_model", True),
        (failure(400, "invalid model name passed"), "unknown_model", True),
        (ScriptedReply(status=404, body="404 page not found"), "unknown_model", True),
        (failure(400, "maximum context length is 4096 tokens"), "bad_request", False),
        (failure(413), "bad_request", False),
        (failure(429), "rate_limited", False),
        (failure(429, "You exceeded your quota", "insufficient_quota"), "quota_exhausted", True),
        (failure(402, "Insufficient Balance"), "quota_exhausted", True),
        (failure(409), "server_error", False),
        (failure(500), "server_error", False),
        (ScriptedReply(status=503, body="<html>"), "server_error", False),
    ],
)
async def test_an_error_has_a_cause(reply: ScriptedReply, cause: str, fatal: bool) -> None:
    prices = ModelSettings(prompt_usd_per_million=1, completion_usd_per_million=1)
    async with ScriptedChat(reply, prices=prices) as chat:
        attempt = await chat.ask()
    assert attempt.outcome is Outcome.UNAVAILABLE
    assert (attempt.cause, attempt.fatal, attempt.http_status) == (cause, fatal, reply.status)
    assert f"HTTP {reply.status}" in attempt.detail
    assert attempt.cost_usd == 0.0
    if isinstance(reply.body, str):
        assert attempt.text == reply.body


@pytest.mark.parametrize("status", [408, 504])
async def test_what_an_endpoint_gave_up_waiting_for_may_cost_something(status: int) -> None:
    prices = ModelSettings(prompt_usd_per_million=1, completion_usd_per_million=1)
    async with ScriptedChat(failure(status), prices=prices, tokens_per_minute=10_000) as chat:
        attempt = await chat.ask()
    assert (attempt.cause, attempt.http_status) == ("server_error", status)
    assert attempt.cost_usd is None


@both_ways
async def test_a_call_has_an_end(stream: bool) -> None:
    async with ScriptedChat(ScriptedReply(delay_s=300), stream=stream, timeout_s=0.1) as chat:
        attempt = await chat.ask()
    assert attempt.cause == "timeout"
    assert 0.1 <= attempt.latency_s < 300


@pytest.mark.parametrize(
    "reply", [ScriptedReply(delay_s=300), ScriptedReply(text='{"answer": "4"}', stall_s=300)]
)
async def test_a_stream_that_stalls_is_given_up(reply: ScriptedReply) -> None:
    async with ScriptedChat(reply, stream=True, stall_s=1.0) as chat:
        attempt = await chat.ask()
    assert attempt.cause == "stalled"
    assert attempt.text == ("" if reply.delay_s else '{"answer":')
    assert 1.0 <= attempt.latency_s < 300


async def test_a_slow_reply_without_stream_is_no_stall() -> None:
    async with ScriptedChat(ScriptedReply(text="4", delay_s=0.2), stall_s=0.05) as chat:
        assert (await chat.ask()).outcome is Outcome.OK


async def _unreachable(base_url: str) -> RecordingGate:
    settings = ProviderSettings(base_url=base_url, max_retries=0)
    connection = Connection.open(settings)
    endpoint = Endpoint(connection=connection, pacer=Pacer(max_concurrent=1), settings=settings)
    gate = RecordingGate()
    participant = Participant(id="a", provider="own", model="m")
    await OpenAIChat(participant, endpoint).ask(request(), gate)
    await connection.close()
    return gate


async def test_an_endpoint_that_is_not_there_is_unreachable() -> None:
    # Taken, so that nobody else has it meanwhile, and not listened to.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gate = await _unreachable(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
    assert gate.causes == ["unreachable"]
    assert gate.attempts[0].http_status is None


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (b"", "connection_lost"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "bad_body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "connection_lost"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz", "bad_body"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nno",
            "bad_body",
        ),
        # What the status says holds, even where the body breaks off.
        (b"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\n{", "server_error"),
        (b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\n{", "unauthorized"),
        (
            b"HTTP/1.1 429 No\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nno",
            "rate_limited",
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: /v1/chat/completions\r\n\r\n", "redirected"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "redirected"),
        # In encodings of which a transport has never heard.
        ("HTTP/1.1 502 d\xe9faillante\r\n\r\n".encode("latin-1"), "unforeseen"),
        ("HTTP/1.1 502 \u7f51\u5173\u9519\u8bef\r\n\r\n".encode("gbk"), "unforeseen"),
    ],
)
async def test_what_is_not_a_response_is_no_exception(sent: bytes, cause: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100_000)
        writer.write(sent)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gate = await _unreachable(f"http://127.0.0.1:{port}/v1")
    server.close()
    await server.wait_closed()
    assert gate.causes == [cause]


async def test_no_usage_means_no_cost() -> None:
    prices = ModelSettings(prompt_usd_per_million=1, completion_usd_per_million=1)
    async with ScriptedChat(ScriptedReply(text="4", usage=None), prices=prices) as chat:
        attempt = await chat.ask()
    assert attempt.usage.prompt_tokens is None
    assert attempt.cost_usd is None


@both_ways
async def test_half_a_surrogate_pair_is_replaced(stream: bool) -> None:
    async with ScriptedChat(ScriptedReply(text="a\ud83d", pieces=1), stream=stream) as chat:
        attempt = await chat.ask("b\ud83d")
    assert attempt.text == "a?"
    assert chat.endpoint.requests[0].body["messages"][0]["content"] == "b?"


@both_ways
async def test_blank_lines_that_keep_the_connection_are_no_reply(stream: bool) -> None:
    whole = '{"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}'
    async with ScriptedChat(ScriptedReply(body="\n\r\n" * 50 + whole), stream=stream) as chat:
        attempt = await chat.ask()
    assert (attempt.outcome, attempt.text) == (Outcome.OK, "4")


@both_ways
async def test_a_huge_reply_is_cut_and_marked(stream: bool) -> None:
    size = 9 * 1024 * 1024
    async with ScriptedChat(ScriptedReply(text="x" * size), stream=stream) as chat:
        attempt = await chat.ask()
    assert attempt.outcome is Outcome.OK
    assert len(attempt.text) == 8 * 1024 * 1024
    assert "cut" in attempt.detail
