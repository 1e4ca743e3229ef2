"""The scripted endpoint's own replies are valid, and it answers many at once."""

import asyncio
import json

import aiohttp
import pytest

from server.league.league import Subject
from server.league.replies import QuestionReply, read_answer, read_question
from server.league.shapes import answer_shape, judgment_shape, question_shape
from tests.support.league_replies import fill, play_along
from tests.support.scripted_chat import ScriptedChat
from tests.support.scripted_endpoint import ScriptedEndpoint, ScriptedRequest


def asked(text: str) -> ScriptedRequest:
    messages = [{"role": "user", "content": text}]
    return ScriptedRequest(number=0, headers={}, body={"messages": messages}, at=0.0)


async def test_replies_follow_the_schema_and_repeat_exactly() -> None:
    schema = judgment_shape(Subject.MATH, ["A", "B", "C", "D"], 200)
    async with ScriptedChat(play_along, stream=True) as chat:
        first = await chat.ask("one", schema=schema, schema_name="judgment")
        again = await chat.ask("one", schema=schema, schema_name="judgment")
        other = await chat.ask("two", schema=schema, schema_name="judgment")
    value = json.loads(first.text)
    assert sorted(value["ranks"].values()) == [1, 2, 3, 4]
    assert set(value["reasons"]) == {"A", "B", "C", "D"}
    assert first.text == again.text != other.text


@pytest.mark.parametrize("number", range(5))
def test_questions_and_answers_can_be_read(number: int) -> None:
    digest = bytes([number])
    assert isinstance(read_question(json.dumps(fill(question_shape(300), digest))), QuestionReply)
    assert "no_json" not in repr(read_answer(json.dumps(fill(answer_shape(300), digest))))


def test_values_stay_within_their_bounds() -> None:
    schema = {
        "properties": {
            "score": {"type": "number", "minimum": 3, "maximum": 4},
            "text": {"type": "string", "maxLength": 5},
            "kind": {"enum": ["x", "y"]},
            "list": {"type": "array", "minItems": 3, "maxItems": 4, "items": {"$ref": "#/$defs/n"}},
            "none": {"type": ["null", "string"]},
            "yes": {"type": "boolean"},
            "either": {"anyOf": [{"const": 1}, {"const": 2}]},
        },
        "$defs": {"n": {"type": "integer", "minimum": 7, "maximum": 7}},
    }
    for number in range(20):
        value = fill(schema, bytes([number]))
        assert 3 <= value["score"] <= 4
        assert len(value["text"]) == 5
        assert value["kind"] in ("x", "y")
        assert value["list"] == [7, 7, 7]
        assert value["none"] is None
        assert isinstance(value["yes"], bool)
        assert value["either"] in (1, 2)


@pytest.mark.parametrize(
    ("prompt", "keys"),
    [
        ("Rank the answers in an object.", {"reasons", "ranks"}),
        ("Score each from 0 to 100.", {"reasons", "scores"}),
        ("Set a problem with a marking_scheme.", {"problem", "marking_scheme"}),
        ("Solve this.", {"solution", "answer"}),
    ],
)
def test_without_a_schema_the_words_decide(prompt: str, keys: set[str]) -> None:
    assert keys <= set(json.loads(play_along(asked(prompt)).text or ""))


async def test_the_endpoint_serves_hundreds_of_requests_at_once() -> None:
    count = 600
    async with ScriptedEndpoint(play_along) as endpoint, aiohttp.ClientSession() as session:

        async def call(number: int) -> None:
            body = {"model": "m", "messages": [{"role": "user", "content": str(number)}]}
            async with session.post(f"{endpoint.base_url}/chat/completions", json=body) as got:
                assert got.status == 200
                await got.read()

        await asyncio.gather(*map(call, range(count)))
    assert len(endpoint.requests) == count
    assert endpoint.in_flight == 0
