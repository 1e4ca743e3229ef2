"""The shapes of a programming league: strict, within the reply's length, and readable."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.languages import LANGUAGES
from server.league.programming_replies import read_program, read_programming_question
from server.league.programs import CodeAnswer, ProgrammingQuestion
from server.league.shapes import program_shape, programming_question_shape
from tests.support.league_replies import fill

LENGTHS = (100, 400, 900, 1500, 4000, None, 64_000)
ROOMY = 1500


def schemas(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "type" in value or "anyOf" in value:
            yield value
        for part in value.values():
            yield from schemas(part)
    elif isinstance(value, list):
        for part in value:
            yield from schemas(part)


@pytest.mark.parametrize("tokens", LENGTHS)
@pytest.mark.parametrize("shape", [programming_question_shape, program_shape])
def test_shapes_are_what_strict_outputs_take(shape: Any, tokens: int | None) -> None:
    for schema in schemas(shape(tokens)):
        if schema.get("type") == "object":
            assert schema["required"] == list(schema["properties"])
            assert schema["additionalProperties"] is False
            for name, part in schema["properties"].items():
                # A bound on a program would cut it without a trace.
                bounded = part.get("type") == "string" and "enum" not in part
                assert ("maxLength" in part) is (bounded and name not in ("code", "solution"))


def longest(schema: dict[str, Any]) -> int:
    """Returns the characters of the longest value, its keys and marks included."""
    if "anyOf" in schema:
        return max(longest(part) for part in schema["anyOf"])
    match schema["type"]:
        case "object":
            return 2 + sum(len(k) + 5 + longest(v) for k, v in schema["properties"].items())
        case "array":
            return 2 + int(schema["maxItems"]) * (1 + longest(schema["items"]))
        case "string" if "enum" in schema:
            return 2 + max(map(len, schema["enum"]))
        case "string":
            return 2 + int(schema.get("maxLength", 0))
        case _:
            return 5


@pytest.mark.parametrize("tokens", [400, 900, 1499, 1500, 4000, 64_000])
def test_texts_leave_the_program_room(tokens: int) -> None:
    # Characters of all but programs; a token of text, keys and marks has two and more.
    assert longest(programming_question_shape(tokens)) <= tokens * 2 * 0.75
    assert longest(program_shape(tokens)) <= tokens * 2 * 0.4


@pytest.mark.parametrize("tokens", LENGTHS)
def test_the_program_comes_last(tokens: int | None) -> None:
    properties = programming_question_shape(tokens)["properties"]
    assert list(properties)[-1] == "solution"
    assert list(program_shape(tokens)["properties"])[-1] == "code"
    assert 3 <= properties["cases"]["maxItems"] <= 12
    assert ("generator" in properties) is (tokens is None or tokens >= ROOMY)


def test_only_languages_that_there_are_can_be_chosen() -> None:
    for shape in (programming_question_shape(None), program_shape(None)):
        assert shape["properties"]["language"]["enum"] == list(LANGUAGES)


@pytest.mark.parametrize("tokens", LENGTHS)
@pytest.mark.parametrize("number", range(5))
def test_what_follows_a_shape_can_be_read(tokens: int | None, number: int) -> None:
    digest = bytes([number])
    question = json.dumps(fill(programming_question_shape(tokens), digest))
    assert isinstance(read_programming_question(question), ProgrammingQuestion)
    assert isinstance(read_program(json.dumps(fill(program_shape(tokens), digest))), CodeAnswer)
