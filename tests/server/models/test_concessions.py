"""What an endpoint refuses is left out at once, remembered, and recorded."""

import asyncio
import json

import pytest

from server.league.league import Participant
from server.league.outcome import Outcome
from server.models.concessions import Concessions
from server.models.schema import without_bounds
from tests.support.scripted_chat import SCHEMA, ScriptedChat
from tests.support.scripted_endpoint import ScriptedReply, ScriptedRequest, failure

GOOD = ScriptedReply(text='{"answer": "4"}')
FULL = Participant(
    id="a", provider="own", model="scripted", temperature=0.5, sampling_seed=7, top_p=0.9,
    max_output_tokens=300, frequency_penalty=0.3, reasoning_effort="low",
)  # fmt: skip


@pytest.mark.parametrize(
    ("refused", "status", "message"),
    [
        ("temperature", 400, "Unsupported value: 'temperature' does not support 0.5 with this model."),
        ("seed", 422, '[{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]'),
        ("frequency_penalty", 400, "frequency_penalty is not supported by this model"),
        ("reasoning_effort", 400, "Unrecognized request argument supplied: reasoning_effort"),
        ("top_p", 400, "`temperature` and `top_p` cannot both be specified for this model"),
        ("stream_options", 400, "Unknown parameter: 'stream_options'."),
        ("stream", 400, "This model does not support streaming"),
        ("stream", 400, "Your organization must be verified to stream this model"),
    ],
)  # fmt: skip
async def test_a_refused_parameter_is_left_out_at_once_and_for_good(
    refused: str, status: int, message: str
) -> None:
    def reply(received: ScriptedRequest) -> ScriptedReply:
        return failure(status, message) if refused in received.body else GOOD

    async with ScriptedChat(reply, participant=FULL, stream=True) as chat:
        first = await chat.ask()
        second = await chat.ask()
    assert first.outcome is second.outcome is Outcome.OK
    assert first.attempt == 1
    assert chat.gate.causes == ["bad_request", "", ""]
    assert f"asked again without {refused}" in chat.gate.attempts[0].detail
    assert chat.clock.sleeps == []
    note = f"asked without {refused}, which the endpoint does not take"
    decides = refused not in {"stream", "stream_options"}
    assert first.detail == second.detail == (note if decides else "")
    sent, mended, later = (set(request.body) for request in chat.endpoint.requests)
    assert mended == later
    assert sent - mended == ({"stream", "stream_options"} if refused == "stream" else {refused})


async def test_the_limit_on_tokens_is_renamed_and_never_dropped() -> None:
    def reply(received: ScriptedRequest) -> ScriptedReply:
        message = (
            "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        return failure(400, message, param="max_tokens") if "max_tokens" in received.body else GOOD

    async with ScriptedChat(reply, participant=FULL) as chat:
        attempt = await chat.ask()
    assert attempt.outcome is Outcome.OK
    assert chat.endpoint.requests[1].body["max_completion_tokens"] == 300


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "max_tokens is too large: 300. This model supports at most 100 completion tokens"),
        (400, "temperature must be between 0 and 0.4"),
        (400, "temperature must not be greater than 1.0; other values are not supported"),
        (400, "invalid_parameter: temperature cannot be above 0.4"),
        (400, "max_tokens cannot exceed 200"),
        (
            400,
            "Invalid 'max_tokens': integer above maximum value. Expected <= 200, got 300 instead.",
        ),
        (422, "top_p: unexpected value; Input should be less than or equal to 0.8"),
        (400, "unsupported: frequency_penalty not in the range [-0.2, 0.2]"),
        (400, "This model's maximum context length is 4096 tokens"),
        (404, "The model `json_schema-7b` does not exist"),
        (401, "response_format is not supported without a key"),
    ],
)
async def test_other_refusals_teach_nothing(status: int, message: str) -> None:
    async with ScriptedChat(failure(status, message), participant=FULL, max_retries=3) as chat:
        attempt = await chat.ask()
    assert len(chat.endpoint.requests) == 1
    assert attempt.outcome is Outcome.UNAVAILABLE
    assert message in attempt.detail


@pytest.mark.parametrize("status", [500, 501])
@pytest.mark.parametrize(
    "message",
    ["Unexpected end of stream from upstream", "unknown error while sampling: seed, temperature"],
)
async def test_a_failure_that_passes_teaches_nothing(status: int, message: str) -> None:
    def reply(received: ScriptedRequest) -> ScriptedReply:
        return GOOD if received.number else failure(status, message)

    async with ScriptedChat(reply, participant=FULL, stream=True, max_retries=1) as chat:
        attempt = await chat.ask()
    assert (attempt.outcome, attempt.detail) == (Outcome.OK, "")
    assert chat.gate.causes == ["server_error", ""]
    failed, mended = (set(request.body) for request in chat.endpoint.requests)
    assert failed == mended
    assert {"stream", "stream_options", "seed"} <= failed


async def test_a_failure_that_names_its_parameter_teaches() -> None:
    def reply(received: ScriptedRequest) -> ScriptedReply:
        return failure(500, "unexpected", param="seed") if "seed" in received.body else GOOD

    async with ScriptedChat(reply, participant=FULL, stream=True) as chat:
        attempt = await chat.ask()
    assert attempt.outcome is Outcome.OK
    first, second = (set(request.body) for request in chat.endpoint.requests)
    assert first - second == {"seed"}


@pytest.mark.parametrize(
    ("taken", "status", "message"),
    [
        ("json_object", 400, "Invalid schema for response_format 'answer'"),
        ("json_object", 422, "response_format: Input should be 'text' or 'json_object'"),
        ("text", 400, "response_format is not supported"),
        ("text", 404, "No endpoints found that support the requested parameters"),
        ("text", 500, "failed to parse grammar"),
    ],
)
async def test_structured_replies_step_down(taken: str, status: int, message: str) -> None:
    def reply(received: ScriptedRequest) -> ScriptedReply:
        return GOOD if received.response_format == taken else failure(status, message)

    async with ScriptedChat(reply) as chat:
        first = await chat.ask()
        second = await chat.ask()
    steps = ["json_schema", "json_object", "text"]
    path = steps[: steps.index(taken) + 1]
    assert first.outcome is Outcome.OK
    assert second.response_format == taken
    assert [kept.response_format for kept in chat.gate.attempts] == [*path, taken]
    assert [kept.attempt for kept in chat.gate.attempts] == [*range(len(path)), 0]


async def test_an_endpoint_that_refuses_everything_comes_to_an_end() -> None:
    names = "temperature seed frequency_penalty top_p reasoning_effort stream max_tokens"
    message = f"response_format {names} stream_options max_completion_tokens are not supported"
    async with ScriptedChat(failure(400, message), participant=FULL, stream=True) as chat:
        attempt = await chat.ask()
    assert attempt.cause == "bad_request"
    assert len(chat.endpoint.requests) < 12
    assert chat.endpoint.requests[-1].body["max_completion_tokens"] == 300


async def test_calls_that_left_together_learn_together() -> None:
    def reply(received: ScriptedRequest) -> ScriptedReply:
        refused = received.response_format == "json_schema"
        return failure(400, "response_format json_schema is not supported") if refused else GOOD

    async with ScriptedChat(reply) as chat:
        attempts = await asyncio.gather(*(chat.ask() for _ in range(8)))
    assert {attempt.response_format for attempt in attempts} == {"json_object"}


def test_what_was_learnt_is_shared() -> None:
    shared = Concessions()
    body = shared.apply({"model": "m", "seed": 1}, "answer", SCHEMA, bounded=False)
    assert shared.learn(body, 400, "seed is not supported") == "without seed"
    assert "seed" not in shared.apply({"model": "m", "seed": 1}, "answer", SCHEMA, bounded=False)
    # A call that left earlier with the same parameter may still ask again.
    assert shared.learn(body, 400, "seed is not supported") == "without seed"


def test_bounds_go_and_names_stay() -> None:
    schema = {
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "pattern": "^a$", "minLength": 1},
            "maximum": {"type": "integer", "minimum": 1, "maximum": 3},
            "list": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/minimum"}},
            "kind": {"enum": [{"minimum": 1}]},
        },
        "$defs": {"minimum": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}]}},
        "required": ["pattern", "maximum"],
    }
    before = json.dumps(schema)
    assert without_bounds(schema) == {
        "type": "object",
        "properties": {
            "pattern": {"type": "string"},
            "maximum": {"type": "integer"},
            "list": {"type": "array", "items": {"$ref": "#/$defs/minimum"}},
            "kind": {"enum": [{"minimum": 1}]},
        },
        "$defs": {"minimum": {"anyOf": [{"type": "number"}]}},
        "required": ["pattern", "maximum"],
    }
    assert json.dumps(schema) == before
