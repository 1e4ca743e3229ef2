"""Replies of models that play along: valid, deterministic, and a function of the request."""

import hashlib
import json
from typing import Any

from tests.support.scripted_endpoint import ScriptedReply, ScriptedRequest

_WORDS = (
    "angle", "basis", "chord", "digit", "edge", "factor", "graph", "height", "integer", "joint",
    "kernel", "limit", "matrix", "number", "orbit", "prime", "quotient", "root", "series", "term",
)  # fmt: skip
_MAX_DEPTH = 12


def play_along(request: ScriptedRequest) -> ScriptedReply:
    """Returns a valid reply to a question, an answer or a judgment.

    The schema in the request decides its shape. Without one, the words of the
    prompt do.
    """
    digest = hashlib.sha256(json.dumps(request.body, sort_keys=True).encode()).digest()
    schema = _schema(request)
    value = _unschooled(request, digest) if schema is None else fill(schema, digest)
    text = json.dumps(value)
    prompt = max(1, len(request.prompt) // 4)
    completion = max(1, len(text) // 4)
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return ScriptedReply(text=text, usage=usage)


def fill(schema: dict[str, Any], digest: bytes) -> Any:
    """Returns a value of the schema that depends on the digest alone."""
    return _fill(schema, schema, digest, "", 0)


def _schema(request: ScriptedRequest) -> dict[str, Any] | None:
    wanted = request.body.get("response_format", {})
    if wanted.get("type") != "json_schema":
        return None
    schema: dict[str, Any] = wanted["json_schema"]["schema"]
    return schema


def _draw(digest: bytes, path: str, count: int) -> int:
    """Returns a number below the count, a function of the digest and the place in the reply."""
    drawn = hashlib.sha256(digest + path.encode()).digest()
    return int.from_bytes(drawn[:8], "big") % max(1, count)


def _fill(
    root: dict[str, Any], schema: dict[str, Any], digest: bytes, path: str, depth: int
) -> Any:
    schema = _resolved(root, schema, digest, path)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][_draw(digest, path, len(schema["enum"]))]
    kind = _kind(schema)
    if kind in ("object", "array"):
        many = _object if kind == "object" else _array
        return many(root, schema, digest, path, depth)
    if kind in ("integer", "number"):
        return _number(schema, digest, path)
    if kind == "boolean":
        return _draw(digest, path, 2) == 1
    return None if kind == "null" else _text(schema, digest, path)


def _resolved(
    root: dict[str, Any], schema: dict[str, Any], digest: bytes, path: str
) -> dict[str, Any]:
    while "$ref" in schema or "anyOf" in schema or "oneOf" in schema:
        if "$ref" in schema:
            target: Any = root
            for part in schema["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            schema = target
        else:
            choices = schema.get("anyOf") or schema["oneOf"]
            schema = choices[_draw(digest, path, len(choices))]
    return schema


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return str(kind[0] if isinstance(kind, list) else kind)


def _object(
    root: dict[str, Any], schema: dict[str, Any], digest: bytes, path: str, depth: int
) -> dict[str, Any]:
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    if properties and all(_kind(part) == "integer" for part in properties.values()):
        return _ranks(list(properties), digest, path)
    if depth >= _MAX_DEPTH:
        properties = {name: properties[name] for name in schema.get("required", ())}
    return {
        name: _fill(root, part, digest, f"{path}/{name}", depth + 1)
        for name, part in properties.items()
    }


def _ranks(labels: list[str], digest: bytes, path: str) -> dict[str, Any]:
    """Returns a permutation: each label's place, from 1."""
    order = sorted(labels, key=lambda label: _draw(digest, f"{path}/{label}", 2**63))
    return {label: order.index(label) + 1 for label in labels}


def _array(
    root: dict[str, Any], schema: dict[str, Any], digest: bytes, path: str, depth: int
) -> list[Any]:
    least = int(schema.get("minItems", 0))
    most = int(schema.get("maxItems", max(least, 2)))
    wanted = least if depth >= _MAX_DEPTH else max(least, min(most, 2))
    item = schema.get("items", {})
    return [_fill(root, item, digest, f"{path}/{index}", depth + 1) for index in range(wanted)]


def _number(schema: dict[str, Any], digest: bytes, path: str) -> int:
    low = int(schema.get("minimum", 0))
    high = int(schema.get("maximum", low + 100))
    return low + _draw(digest, path, high - low + 1)


def _text(schema: dict[str, Any], digest: bytes, path: str) -> str:
    words = [_WORDS[_draw(digest, f"{path}#{index}", len(_WORDS))] for index in range(4)]
    text = f"{' '.join(words)} {_draw(digest, path, 1000)}"
    text = text.ljust(int(schema.get("minLength", 0)), ".")
    return text[: int(schema["maxLength"])] if "maxLength" in schema else text


def _unschooled(request: ScriptedRequest, digest: bytes) -> dict[str, Any]:
    prompt = request.prompt.lower()
    text = {"type": "string"}
    if "rank" in prompt or "score" in prompt:
        labels = [label for label in "ABCDEFGH" if f'"{label.lower()}"' in prompt] or ["A", "B"]
        ranks = {"properties": {label: {"type": "integer"} for label in labels}}
        reasons = {"properties": dict.fromkeys(labels, text)}
        key = "ranks" if "rank" in prompt else "scores"
        return dict(fill({"properties": {"reasons": reasons, key: ranks}}, digest))
    names = ["solution", "answer"]
    if "marking_scheme" in prompt:
        names = ["principle", "problem", *names, "marking_scheme"]
    return dict(fill({"properties": dict.fromkeys(names, text)}, digest))
