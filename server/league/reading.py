"""Finds the JSON object in a model's reply, however it is wrapped or broken.

A reply may be empty, huge, prose around JSON, two objects, broken JSON, or
hostile. The last object that has the wanted keys counts: a model may quote an
earlier one, and what it decides comes last.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from server.league.mending import mend

# Reading is bounded, so that no reply can hold up the others.
MAX_CHARACTERS = 1_000_000
_MAX_STARTS = 1000
_MAX_SCANNED = 4 * MAX_CHARACTERS

# Valid ones are matched whole, so that the second half of one is not taken for another.
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})?')

# JSON turns the start of a LaTeX command into a control character: \frac into
# a form feed and "rac". What can be told apart from real white space is put
# back; backspace, form feed and a lone carriage return never stand in a text on
# purpose.
_CONTROL = re.compile(r"[\x08-\x0d]")
_LOST_COMMANDS = (
    (re.compile(r"\x08(?=[a-zA-Z])"), r"\\b"),
    (re.compile(r"\x0c(?=[a-zA-Z])"), r"\\f"),
    (re.compile(r"\r(?=[a-zA-Z])"), r"\\r"),
    (
        re.compile(r"\t(?=(?:imes|heta|ext(?:bf|it|rm)?|frac|riangle|au|anh?|ilde|op?)(?![a-z]))"),
        r"\\t",
    ),
    (re.compile(r"\n(?=(?:eq|abla|otin|mid)(?![a-z]))"), r"\\n"),
)


@dataclass(frozen=True)
class Unreadable:
    """Why a reply cannot be used.

    Attributes:
        cause: One word, such as `no_json` or `label_missing`.
        detail: One sentence that can be shown to the model and to people.
    """

    cause: str
    detail: str


@dataclass(frozen=True)
class Found:
    """The object that a reply holds; `repaired` if it was broken JSON."""

    value: "JsonObject"
    repaired: bool


class JsonObject(dict[str, Any]):
    """A JSON object that remembers the keys that came more than once."""

    repeated: tuple[str, ...] = ()

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, Any]]) -> "JsonObject":
        """Builds the object from its pairs, the last of equal keys winning."""
        made = cls()
        repeated = []
        for key, value in pairs:
            if key in made:
                repeated.append(key)
            made[key] = value
        made.repeated = tuple(repeated)
        return made

    def of(self, name: str) -> Any:
        """Returns the value of a key, matched without regard to case; `None` if it is absent."""
        if name in self:
            return self[name]
        wanted = name.casefold()
        for key, value in self.items():
            if key.strip().casefold() == wanted:
                return value
        return None


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=JsonObject.from_pairs)


def _objects(text: str) -> list[JsonObject]:
    """Returns the JSON objects that stand in a text, outermost ones only."""
    found: list[JsonObject] = []
    start = text.find("{")
    scanned = 0
    for _ in range(_MAX_STARTS):
        if start < 0 or scanned > _MAX_SCANNED:
            break
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            end = start + 1
            scanned += getattr(error, "pos", start) - start
        else:
            if isinstance(value, JsonObject):
                found.append(value)
        start = text.find("{", end)
    return found


def _tracked(value: Any) -> Any:
    """Returns what a JSON library made, with its objects as `JsonObject` and plain texts."""
    if isinstance(value, dict):
        return JsonObject.from_pairs((str(key), _tracked(item)) for key, item in value.items())
    if isinstance(value, list):
        return [_tracked(item) for item in value]
    return str(value) if isinstance(value, str) else value


def _mended(text: str) -> list[JsonObject]:
    """Returns the objects that a JSON repair library makes of a text."""
    start = text.find("{")
    if start < 0 or "}" not in text[start:]:
        # A reply that broke off is no reply, however it could be closed.
        return []
    made = _tracked(mend(text[start:].rstrip().removesuffix("```")))
    candidates = made if isinstance(made, list) else [made]
    return [item for item in candidates if isinstance(item, JsonObject)]


def with_valid_escapes(text: str) -> str:
    r"""Returns a text of JSON in which a backslash that escapes nothing is one that is meant."""
    return _ESCAPE.sub(lambda match: match[0] if len(match[0]) > 1 else r"\\", text)


def find_object(text: str, keys: Collection[str]) -> Found | Unreadable:
    """Finds the object with the given keys in a reply.

    Args:
        text: The reply as it came.
        keys: Keys that the object must have, whatever their case.
    """
    return find_first_object(text, [keys])


def find_first_object(text: str, choices: Sequence[Collection[str]]) -> Found | Unreadable:
    """Finds the object with the first set of keys that some object in a reply has.

    However many sets there are, the reply is parsed once in each way.

    Args:
        text: The reply as it came.
        choices: Sets of keys, whatever their case; where no object has one of them, what
            lacks of the first is told.
    """
    if not text.strip():
        return Unreadable("empty_reply", "the reply was empty")
    if len(text) > MAX_CHARACTERS:
        return Unreadable("too_long", f"the reply had more than {MAX_CHARACTERS:,} characters")
    # What a model thinks aloud is no material for repairs.
    reply = text.rpartition("</think>")[2]
    seen: list[JsonObject] = []
    readings: tuple[tuple[Callable[[], list[JsonObject]], bool], ...] = (
        (cache(lambda: _objects(text)), False),
        (cache(lambda: _objects(with_valid_escapes(reply))), True),
        (cache(lambda: _mended(reply)), True),
    )
    for keys in choices:
        for read, repaired in readings:
            objects = read()
            for candidate in reversed(objects):
                if all(candidate.of(key) is not None for key in keys):
                    return Found(candidate, repaired)
            seen = seen or objects
    if not seen:
        return Unreadable("no_json", "the reply held no JSON object")
    lacking = [key for key in choices[0] if seen[-1].of(key) is None]
    return Unreadable("key_missing", f"the JSON object lacked {', '.join(map(repr, lacking))}")


def as_text(value: Any) -> str:
    """Returns a JSON value as a text for people, its lost LaTeX commands put back.

    Strings stay as they are; lists and objects become JSON, so that nothing
    that was said is lost. Text that UTF-8 cannot hold is replaced.
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if _CONTROL.search(text):
        for pattern, command in _LOST_COMMANDS:
            text = pattern.sub(command, text)
    return text.encode("utf-8", "replace").decode().strip()
