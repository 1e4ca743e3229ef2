"""The shapes of replies: one JSON schema a role.

Schemas stay within what strict structured outputs take: every property
required, none added. Bounds of strings and numbers are there for the endpoints
that enforce them and are taken out for the others.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.languages import LANGUAGES
from server.league.league import Subject

# Characters that a token holds at least, on average, in text with formulas:
# small models spend one token a digit. With it the bounds of a schema end a
# reply before the limit on tokens cuts it.
_CHARACTERS_PER_TOKEN = 2
_DEFAULT_TOKENS = 8000

# A program that prints inputs, or one that checks outputs, takes a reply with room for it.
_ROOMY_TOKENS = 1500
_MIN_CASES, _MAX_CASES = 3, 12
_CASE_TOKENS = 40
# Characters of a generator's parameters.
_LINE = 40

Schema = dict[str, Any]

_CODE: Schema = {"type": "string"}


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _texts(
    parts: Mapping[str, int], max_output_tokens: int | None, reserved: int = 0
) -> Mapping[str, Schema]:
    """Returns string schemas that divide the reply's length by the given weights."""
    tokens = (max_output_tokens or _DEFAULT_TOKENS) - reserved
    # Keys, quotes and braces take about eight tokens a property.
    characters = max(len(parts) * 16, (tokens - 8 * len(parts)) * _CHARACTERS_PER_TOKEN)
    total = sum(parts.values())
    return {
        name: {"type": "string", "maxLength": max(16, characters * weight // total)}
        for name, weight in parts.items()
    }


def question_shape(max_output_tokens: int | None) -> Schema:
    """Returns the schema of a mathematics question."""
    parts = {"principle": 2, "problem": 5, "solution": 8, "answer": 2, "marking_scheme": 3}
    return _object(_texts(parts, max_output_tokens))


def answer_shape(max_output_tokens: int | None) -> Schema:
    """Returns the schema of a mathematics answer."""
    return _object(_texts({"solution": 8, "answer": 2}, max_output_tokens))


def programming_question_shape(max_output_tokens: int | None) -> Schema:
    """Returns the schema of a programming question.

    No program has a bound, since an endpoint that enforces it would cut the program and
    make it look whole; a reply that the limit on tokens cuts is known to be cut. The texts
    leave the largest part to the solution, which comes last. Only replies with room for
    them have a generator and a checker of the setter's own.
    """
    tokens = max_output_tokens or _DEFAULT_TOKENS
    roomy = tokens >= _ROOMY_TOKENS
    most = min(_MAX_CASES, max(_MIN_CASES, tokens // 5 // _CASE_TOKENS))
    weights = {"principle": 2, "problem": 6, "solution": 20, "cases": 6, "marking_scheme": 2}
    weights |= {"generator": 4, "checker": 4} if roomy else {}
    # Keys and names of the cases and of what else is no text.
    text = _texts(weights, max_output_tokens, reserved=(24 if roomy else 12) * most + 60)
    room = text["cases"]["maxLength"] // most
    kinds = ["tokens", "exact", "floats"]
    checker: dict[str, Schema] = {
        "kind": {"type": "string", "enum": kinds},
        "tolerance": {"type": "number", "minimum": 0, "maximum": 0.01},
    }
    properties: dict[str, Schema] = {
        "principle": text["principle"],
        "problem": text["problem"],
        "checker": _object(checker),
        "cases": {
            "type": "array",
            "maxItems": most,
            "items": _object(
                {
                    "input": {"type": "string", "maxLength": max(16, room * 3 // 4)},
                    "output": {"type": "string", "maxLength": max(16, room // 4)},
                }
            ),
        },
    }
    if roomy:
        own: dict[str, Schema] = {**checker, "kind": {"type": "string", "enum": ["program"]}}
        own |= {"language": _language(), "code": _CODE}
        properties["checker"] = {"anyOf": [_object(checker), _object(own)]}
        line = {"type": "string", "maxLength": _LINE}
        parameters = {"type": "array", "maxItems": most, "items": line}
        generator: dict[str, Schema] = {
            "language": _language(),
            "code": _CODE,
            "inputs": parameters,
        }
        properties["generator"] = {"anyOf": [{"type": "null"}, _object(generator)]}
    properties["marking_scheme"] = text["marking_scheme"]
    return _object({**properties, "language": _language(), "solution": _CODE})


def program_shape(max_output_tokens: int | None) -> Schema:
    """Returns the schema of a programming answer; the program has no bound, and comes last."""
    text = _texts({"approach": 2, "code": 10}, max_output_tokens, reserved=8)
    return _object({"approach": text["approach"], "language": _language(), "code": _CODE})


def _language() -> Schema:
    return {"type": "string", "enum": list(LANGUAGES)}


def judgment_shape(
    subject: Subject, labels: Sequence[str], max_output_tokens: int | None
) -> Schema:
    """Returns the schema of a judgment of the answers under the given labels.

    Reasons come first, so that a model argues before it decides. One property
    a label makes a missing, invented or repeated label impossible where the
    endpoint enforces schemas.
    """
    reasons = _texts(dict.fromkeys(labels, 1), max_output_tokens, reserved=8 * len(labels))
    if subject is Subject.MATH:
        mark: Schema = {"type": "integer", "minimum": 1, "maximum": len(labels)}
        key = "ranks"
    else:
        mark = {"type": "number", "minimum": 0, "maximum": 100}
        key = "scores"
    return _object(
        {"reasons": _object(reasons), key: _object({label: dict(mark) for label in labels})}
    )
