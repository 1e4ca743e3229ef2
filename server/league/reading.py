"""Finds the JSON object in a model's reply, however it is wrapped or broken.

A reply may be empty, huge, prose around JSON, two objects, broken JSON, or
hostile. Thoughts are no part of it. The object that begins last of those with the wanted
key counts: what a model decides comes after its drafts. If that one is broken it is mended
or asked for again; a draft never stands for it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from server.league.escapes import Escaped
from server.league.mending import MAX_CHARACTERS as MAX_MENDED
from server.league.mending import mend
from server.league.thinking import thinking
from server.league.wholeness import Whole, open_objects, whole_objects

# Reading is bounded, so that no reply can hold up the others.
MAX_CHARACTERS = 1_000_000
_MAX_STARTS = 1000
_MAX_SCANNED = 4 * MAX_CHARACTERS
# Braces of code and of formulas do not begin an object.
_START = re.compile(r'\{\s*+["}]')
_SHORT_KEY = 40
_BRACE = re.compile("[{}]")
# How the value of a key may begin, if it does not break off before.
_VALUE = re.compile(r"""\s*+(?:["'“\[{\d-]|\Z)""")


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
    """The object that a reply holds.

    Attributes:
        value: The object.
        repaired: It was broken JSON.
        written: The part of the reply that it was read out of.
        others: Other objects with the key, which end before it.
        unread: There may be another one, in what could not be read.
    """

    value: "JsonObject"
    repaired: bool
    written: str
    others: "tuple[JsonObject, ...]" = ()
    unread: bool = False


class JsonObject(dict[str, Any]):
    """A JSON object that remembers the keys that came more than once.

    Attributes:
        repeated: Those that came more than once.
        conflicting: Those that came with different values, in whatever case, in lower case.
    """

    repeated: tuple[str, ...] = ()
    conflicting: tuple[str, ...] = ()

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[str, Any]]) -> "JsonObject":
        """Builds the object from its pairs, the last of equal keys winning."""
        made = cls()
        repeated: list[str] = []
        conflicting: list[str] = []
        first: dict[str, Any] = {}
        for key, value in pairs:
            if key in made:
                repeated.append(key)
            made[key] = value
            name = key.strip().casefold()
            if name in first and first[name] != value:
                conflicting.append(name)
            first.setdefault(name, value)
        made.repeated, made.conflicting = tuple(repeated), tuple(conflicting)
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


def conflict(value: JsonObject, *names: str) -> Unreadable | None:
    """Says which of the keys, all if none is named, an object gives with different values."""
    name = next((name for name in value.conflicting if name in names or not names), None)
    if name is None:
        return None
    shown = name if len(name) <= _SHORT_KEY else name[:_SHORT_KEY] + "..."
    return Unreadable("key_repeated", f"{shown!r} came more than once, with different values")


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=JsonObject.from_pairs)


@dataclass(frozen=True)
class _Placed:
    """An object, where it begins and ends, and whether its escapes had to be made valid."""

    value: JsonObject
    start: int
    end: int
    repaired: bool = False


def _objects(text: str, start: int = 0) -> list[_Placed]:
    """Returns the JSON objects that stand in a text from a place on, outermost ones only."""
    found: list[_Placed] = []
    scanned = 0
    for _ in range(_MAX_STARTS):
        begin = _START.search(text, start)
        if begin is None or scanned > _MAX_SCANNED:
            break
        start = begin.start()
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            end = start + 1
            scanned += getattr(error, "pos", start) - start
        else:
            found.append(_Placed(value, start, end))
        start = end
    return found


def _tracked(value: Any) -> Any:
    """Returns what a JSON library made, with its objects as `JsonObject` and plain texts."""
    if isinstance(value, dict):
        return JsonObject.from_pairs((str(key), _tracked(item)) for key, item in value.items())
    if isinstance(value, list):
        return [_tracked(item) for item in value]
    return str(value) if isinstance(value, str) else value


@dataclass(frozen=True)
class _Mended:
    """What mending made of a text.

    Attributes:
        objects: The objects, whether they are whole in the text or not.
        whole: What of the text is whole.
        is_all: The text was short enough to be mended as a whole.
    """

    objects: list[JsonObject]
    whole: Whole
    is_all: bool


def _mended(text: str) -> _Mended:
    """Returns the objects that a JSON repair library makes of a text."""
    start = text.find("{")
    broken = text[start:].rstrip().removesuffix("```") if start >= 0 else ""
    whole = whole_objects(broken[:MAX_MENDED])
    # Without a brace that closes one there is nothing that is worth the work.
    made = _tracked(mend(broken)) if "}" in broken else None
    candidates = made if isinstance(made, list) else [made]
    objects = [item for item in candidates if isinstance(item, JsonObject)]
    return _Mended(objects, whole, len(broken) <= MAX_MENDED)


class _Spoken:
    """What a model said after its thoughts, and the objects in it."""

    def __init__(self, reply: str) -> None:
        escaped = Escaped.of(reply)
        objects = _objects(escaped.text)
        thoughts = thinking(escaped.text, [(item.start, item.end) for item in objects])
        if thoughts.end:
            objects = _objects(escaped.text, thoughts.end)
        self._reply = reply
        self._unclosed = thoughts.unclosed
        self.start = escaped.original(thoughts.end)
        self.objects = [
            _Placed(
                item.value,
                escaped.original(item.start),
                escaped.original(item.end),
                escaped.is_changed(item.start, item.end),
            )
            for item in objects
        ]
        self.mended = cache(lambda start: _mended(reply[start:]))

    @property
    def text(self) -> str | None:
        """What was said; `None` if it cannot be told from thoughts."""
        return None if self._unclosed else self._reply[self.start :]

    def find(self, key: str) -> Found | Unreadable | None:
        """Returns the object with the key that begins last; `None` if there is none."""
        having = [item for item in self.objects if item.value.of(key) is not None]
        last = having[-1] if having else None
        if last is None:
            found = self._mend(key, self.start)
        elif self._is_within_a_broken_one(last):
            found = self._mend(key, self.start) or _BROKEN
        elif is_given(key, self._outside(last.end)):
            found = self._mend(key, last.end) or _BROKEN
        else:
            found = self._as_it_is(key, last)
        if isinstance(found, Unreadable) or found is None:
            return found
        if self._unclosed and not self._ends_the_reply(found):
            return _STILL_THINKING
        earlier = (item.value for item in having if item.value is not found.value)
        return replace(found, others=(*earlier, *found.others))

    def _as_it_is(self, key: str, item: _Placed) -> Found | Unreadable:
        """Returns an object that needs no mending, unless one around it broke off."""
        opened = open_objects(self._outside(self.start, item.start))
        if opened and _without_fence(self._outside(item.end)).strip("; \n"):
            return _CUT
        written = self._reply[item.start : item.end]
        unread = opened > 0 or is_begun(key, self._outside(self.start))
        return Found(item.value, item.repaired, written, unread=unread)

    def _mend(self, key: str, start: int) -> Found | Unreadable | None:
        written = self._reply[start:]
        mentions = len(_mention(key).findall(written))
        mended = self.mended(start)
        having = [value for value in mended.objects if value.of(key) is not None]
        lost = _CUT if mended.whole.cut and mended.is_all else _BROKEN
        if not having:
            return lost if mentions and mended.whole.cut else None
        if mentions > _count(key, mended.objects):
            # Mending keeps one of several, and not always the last.
            return Unreadable("ambiguous", f'the JSON was broken and "{key}" came more than once')
        if not mended.whole.holds(having[-1]):
            return lost
        return Found(
            having[-1],
            repaired=True,
            written=written,
            others=tuple(having[:-1]),
            unread=mentions > len(having),
        )

    def _outside(self, start: int, end: int | None = None) -> str:
        """Returns what of a part of the reply is in no object that can be read."""
        end = len(self._reply) if end is None else end
        parts: list[str] = []
        for item in self.objects:
            if start <= item.start < end:
                parts.append(self._reply[start : item.start])
                start = item.end
        parts.append(self._reply[start:end])
        return ";".join(parts)

    def _is_within_a_broken_one(self, item: _Placed) -> bool:
        """Says whether an object is a part of another one, which cannot be read as it is."""
        return (
            _open_braces(self._outside(self.start, item.start)) > 0
            and _open_braces(self._outside(item.end)[::-1], opening="}") > 0
        )

    def _ends_the_reply(self, found: Found) -> bool:
        """Says whether nothing comes after an object: a draft is followed by more thoughts."""
        end = _without_fence(self._reply)
        return end.endswith("}") and end.endswith(_without_fence(found.written))


_BROKEN = Unreadable(
    "json_broken",
    "the last JSON object of the reply was broken: quotation marks, backslashes and line"
    " breaks within its strings must be escaped, and numbers stand alone",
)
_CUT = Unreadable(
    "json_cut",
    "the JSON of the reply broke off before its end: give the object again, as a whole and with"
    " its closing braces",
)
_STILL_THINKING = Unreadable(
    "thinking_unclosed",
    "the reply did not close its thinking, or went on after its JSON object: close the"
    " thinking, and end with the object",
)


@cache
def _mention(key: str) -> re.Pattern[str]:
    """Returns a pattern of a key in JSON, broken or not, but not in a string of JSON."""
    return re.compile(
        rf"""(?<!\\)["'“]\s*+{key}\s*+["'”]\s*+:|[{{,]\s*+{key}\s*+:\s*+["'“\[{{]""",
        re.IGNORECASE,
    )


def is_given(key: str, text: str) -> bool:
    """Says whether a text gives a key in an object, broken or not, that does not break off."""
    given = _mention(key).search(text)
    return given is not None and "}" in text[given.end() :]


def is_begun(key: str, text: str) -> bool:
    """Says whether a text gives a key, or begins to: its value may break off."""
    return is_given(key, text) or any(
        _VALUE.match(text, given.end()) for given in _mention(key).finditer(text)
    )


def _count(key: str, values: Iterable[Any]) -> int:
    """Returns how often a key is given in values and whatever they hold."""
    left, count = list(values), 0
    while left:
        value = left.pop()
        if isinstance(value, dict):
            count += sum(name.strip().casefold() == key for name in value)
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return count


def _without_fence(text: str) -> str:
    return text.rstrip().removesuffix("```").rstrip()


def _open_braces(text: str, opening: str = "{") -> int:
    """Returns how many braces of a text are opened and not closed again."""
    depth = 0
    for brace in _BRACE.findall(text):
        depth = depth + 1 if brace == opening else max(0, depth - 1)
    return depth


def said(reply: str) -> str | None:
    """Returns a reply without the thoughts before it; `None` if they cannot be told apart."""
    return _Spoken(reply).text


def find_object(text: str, key: str) -> Found | Unreadable:
    """Finds the object with the given key in a reply.

    Args:
        text: The reply as it came.
        key: Key that the object must have, whatever its case.
    """
    return find_first_object(text, [key])


def find_first_object(text: str, keys: Sequence[str]) -> Found | Unreadable:
    """Finds the object with the first of the keys that some object in a reply has.

    However many keys there are, the reply is parsed once in each way.

    Args:
        text: The reply as it came.
        keys: Keys in lower case; where no object has one of them, the first is told.
    """
    if not text.strip():
        return Unreadable("empty_reply", "the reply was empty")
    if len(text) > MAX_CHARACTERS:
        return Unreadable("too_long", f"the reply had more than {MAX_CHARACTERS:,} characters")
    spoken = _Spoken(text)
    for key in keys:
        found = spoken.find(key)
        if found is not None:
            return found
    mended = spoken.mended(spoken.start)
    if mended.whole.cut and not spoken.objects and open_objects(text[spoken.start :]):
        return _CUT
    if not spoken.objects and not mended.objects:
        after = " after its thinking" if spoken.start else ""
        return Unreadable("no_json", f"the reply held no JSON object{after}")
    return Unreadable("key_missing", f"the JSON object lacked {keys[0]!r}")
