r"""Tells which objects in broken JSON are whole, and whether mending kept all that they say.

A library that mends JSON closes what a reply left open, so that the first half of a number
becomes a number, and leaves out what it makes no sense of: of `8 or 9` it keeps 8. Neither
is what the model wrote. So a mended object counts only if the reply holds an object that is
closed and has the same letters, digits, signs, braces, brackets and colons in the same
order. Mending may change quotation marks, commas, backslashes and white space. A text that it
ends too early has a rest that becomes a key, with a colon that the reply has not.
"""

# ruff: noqa: RUF001 - quotation marks of people, too

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SPACE = re.compile(r"\s*+")
# Line comments and block comments, which models copy from languages that have them.
_COMMENT = re.compile(r"//[^\n]*+|/\*.*?(?:\*/|\Z)", re.DOTALL)
_BARE = re.compile(r"""[^\s,:{}\[\]"“”]++""")
_OPENING = re.compile(r"(?<!\\)\{")
_CLOSING_MARKS = {'"': '"', "“": '”"', "'": "'", "‘": "’'"}
_INSIDE = {
    mark: re.compile(rf"\\.|[{{}}{closing}]", re.DOTALL) for mark, closing in _CLOSING_MARKS.items()
}
# What may follow a text that is a key, or a value. A mark that something else follows is a
# part of the text, which should have been escaped.
_AFTER_KEY = re.compile(r"\s*+[:,}]")
_AFTER_VALUE = re.compile(
    r"""\s*+(?:[\]}]|,\s*+(?:["'“‘}]|//|/\*|[\w-]{1,40}+\s*+:)|//|/\*"""
    r"""|["'“‘]\w[\w -]{0,40}+["'”’]\s*+:)"""
)
_AFTER_ITEM = re.compile(
    r"""\s*+(?:[\]}]|,\s*+(?:["'“‘{\[\]]|//|/\*|[\w.+-]{1,40}+\s*+[,\]])|//|/\*)"""
)
_BRACE = re.compile(r"""(\{\s*+["'“])|[{}]""")

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|[\\bnrt])?")
_IGNORED = re.compile(r"""[\s\x00-\x1f"'“”‘’`,\\]+""")


@dataclass(frozen=True)
class Whole:
    """What of a text is whole.

    Attributes:
        objects: The objects that are closed, outermost ones only, each as what is compared of it.
        cut: The text ends within another one.
    """

    objects: frozenset[str]
    cut: bool

    def holds(self, value: Any) -> bool:
        """Says whether a mended value says what one of the objects says, all of it."""
        return _compared("".join(_said(value))) in self.objects


def whole_objects(text: str) -> Whole:
    """Finds the whole objects in a text of JSON, broken or not, in a time linear in its length."""
    objects: set[str] = set()
    position = 0
    while opening := _OPENING.search(text, position):
        reader = _Reader(text, opening.start())
        if not reader.read():
            return Whole(frozenset(objects), cut=True)
        position = reader.position
        objects.add(_compared(_decoded("".join(reader.parts))))
    return Whole(frozenset(objects), cut=False)


def open_objects(text: str) -> int:
    """Returns how many objects of a text are opened and not closed again."""
    opened: list[bool] = []
    for brace in _BRACE.finditer(text):
        if brace[0] != "}":
            opened.append(brace[1] is not None)
        elif opened:
            opened.pop()
    return sum(opened)


class _Reader:
    """Reads one object, tolerant of what mending tolerates.

    Attributes:
        position: Where the object ends, once it is read.
        parts: The object without its comments.
    """

    def __init__(self, text: str, start: int) -> None:
        self.position = start
        self.parts: list[str] = []
        self._text = text
        self._begin = start
        # The containers that are open, and whether the next text is a key.
        self._open: list[str] = []
        self._at_key = False

    def read(self) -> bool:
        """Reads up to the end of the object; says whether it has one."""
        while True:
            self._skip()
            mark = self._text[self.position : self.position + 1]
            if not mark:
                return False
            if mark in _INSIDE:
                if not self._string(mark):
                    return False
            elif bare := _BARE.match(self._text, self.position):
                self.position = bare.end()
                self._at_key = self._at_key or self._is_in("{")
            else:
                self.position += 1
                self._punctuation(mark)
                if not self._open:
                    self.parts.append(self._text[self._begin : self.position])
                    return True

    def _skip(self) -> None:
        """Skips white space and comments."""
        while True:
            space = _SPACE.match(self._text, self.position)
            self.position = space.end() if space else self.position
            comment = _COMMENT.match(self._text, self.position)
            if comment is None:
                return
            self.parts.append(self._text[self._begin : self.position])
            self.position = self._begin = comment.end()

    def _punctuation(self, mark: str) -> None:
        if mark in "{[":
            self._open.append(mark)
        elif mark == "}":
            # It also ends a list in the object that lacks its bracket.
            while self._open.pop() != "{":
                pass
        elif mark == "]" and self._is_in("["):
            self._open.pop()
        self._at_key = mark != ":" and self._is_in("{")

    def _is_in(self, container: str) -> bool:
        return self._open[-1:] == [container]

    def _string(self, mark: str) -> bool:
        """Reads a text in quotation marks; says whether it has an end."""
        after_value = _AFTER_VALUE if self._is_in("{") else _AFTER_ITEM
        follow = _AFTER_KEY if self._at_key else after_value
        depth = 0
        for found in _INSIDE[mark].finditer(self._text, self.position + 1):
            if found[0] == "{":
                depth += 1
            elif found[0] == "}":
                depth = max(0, depth - 1)
            elif found[0][0] != "\\" and (after := follow.match(self._text, found.end())):
                # A brace after it may close one of the text itself.
                if depth and after[0].endswith("}") and not self._at_key:
                    continue
                self.position = found.end()
                self._at_key = not self._at_key and self._is_in("{")
                return True
        return False


def _said(value: Any) -> Iterator[str]:
    """Yields what is compared of a JSON value, in its order."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield "{"
            left.append("}")
            for key, held in reversed(item.items()):
                left += [held, ":", str(key)]
        elif isinstance(item, list):
            yield "["
            left.append("]")
            left += reversed(item)
        else:
            yield item if isinstance(item, str) else json.dumps(item)


def _decoded(text: str) -> str:
    r"""Returns a text of JSON with its escapes decoded as far as is compared.

    `\f` is none here: in what models write it begins `\frac`, and mending leaves it.
    """
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else "", text)


def _compared(text: str) -> str:
    """Returns what mending must keep of a text, the case of `True` and `true` aside."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _IGNORED.sub("", whole).casefold()
