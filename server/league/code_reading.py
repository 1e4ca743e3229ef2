"""Reads programs out of replies, with every character that they have.

What JSON gives is the program. It is not stripped, and what mathematics needs (see
`texts.as_formulas`) is not done to it: a tab or a form feed in a program is meant. A fence
is taken off only where it cannot be a part of the program.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from sandbox.features import guess
from sandbox.languages import LANGUAGES
from sandbox.recognition import Clue, recognise
from server.league.escapes import is_doubtful, with_valid_escapes
from server.league.fences import FENCE_LINE, fences
from server.league.programs import Code
from server.league.reading import JsonObject, Unreadable, conflict, is_begun, said

MAX_CODE_BYTES = 1 << 20
# Keys under which models give a program, the one that is asked for first.
CODE_KEYS = ("code", "solution", "program", "source")
LANGUAGE_KEYS = ("language", "lang")
_OFFERED = ", ".join(LANGUAGES)
_SHORT = 40

# A line of a fence is a part of a program only within a string, a comment, or lines that
# are left out. What begins one of these, if it goes on over lines, has one of:
_MAY_HOLD_A_FENCE = re.compile(r"[\"`]|'''|/\*|\\\r?\n|#[ \t]*if")

_KEYS = (
    r"(?:language|lang|code|solution|program|source|cases|generator|checker|problem|principle"
    r"|marking_scheme|approach|explanation|inputs?|outputs?|kind|tolerance)"
)
# A value in double quotes, its own ones escaped, that ends where a value of JSON may end.
_WRITTEN = re.compile(
    r':\s*+"((?:[^"\\]|\\.)*+)"'
    rf'(?=\s*+(?:\}}(?!\s*+["\'])|,\s*+(?:[}}\]]|["\']?{_KEYS}["\']?\s*+:)|```|\Z))',
    re.DOTALL | re.IGNORECASE,
)


def first_of(value: JsonObject, *names: str) -> Any:
    """Returns the value of the first of the keys that there is; `None` if none is."""
    return next((item for item in map(value.of, names) if item is not None), None)


def exact_text(value: Any) -> str | None:
    """Returns a text character by character; `None` if the value is none.

    A list of texts is a list of lines: each gets a line feed, unless it ends with one.
    What UTF-8 cannot hold is replaced.
    """
    if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        value = "".join(line if line.endswith("\n") else f"{line}\n" for line in value)
    if not isinstance(value, str):
        return None
    return value.encode("utf-8", "replace").decode()


def read_code(value: Any, named: Any, *, key: str, broken: str | None = None) -> Code | Unreadable:
    """Reads a program.

    Args:
        value: What the reply gave: a text, lines, or an object with language and code.
        named: The language as it was named, `None` if it was not.
        key: Key of the program, for the reason.
        broken: What it was read out of, if that was broken JSON. Mending guesses where a text ends, so
            a program out of it must stand there as a whole.
    """
    if isinstance(value, JsonObject):
        if problem := conflict(value, *CODE_KEYS, *LANGUAGE_KEYS):
            return problem
        named = first_of(value, *LANGUAGE_KEYS) or named
        value = first_of(value, *CODE_KEYS)
    text = exact_text(value)
    if text is None or not text.strip():
        return Unreadable("code_empty", f'"{key}" held no program')
    if len(text.encode()) > MAX_CODE_BYTES:
        return Unreadable("too_long", f'"{key}" had more than {MAX_CODE_BYTES:,} bytes')
    if broken is not None:
        written = _as_written(broken, text, key)
        if isinstance(written, Unreadable):
            return written
        text = written
    return _told(text, named if isinstance(named, str) else "", key)


def read_fenced(reply: str) -> Code | None:
    """Returns the program of a reply that is no JSON; `None` if it is not the only fence.

    The fence must be closed, since a program that broke off is none, and its language told.
    """
    if FENCE_LINE.search(reply) is None:
        return None
    text = (said(reply) or "").encode("utf-8", "replace").decode()
    fenced = fences(text)
    if len(fenced.ends) != 1 or fenced.is_unclosed:
        return None
    if any(is_begun(key, text[fenced.ends[0] :]) for key in CODE_KEYS):
        # What comes after it is the answer, though it could not be read.
        return None
    found = recognise(text)
    if not found.language or found.source == text or found.source.lstrip().startswith("{"):
        # The last is JSON that could not be read, not a program.
        return None
    if not found.source.strip() or len(found.source.encode()) > MAX_CODE_BYTES:
        return None
    return Code(language=found.language, source=found.source, basis=str(found.by))


def _told(text: str, named: str, key: str) -> Code | Unreadable:
    """Takes a fence off, and tells the language."""
    found = recognise(text, named)
    language, source, basis = found.language, found.source, found.by
    if source != text and not _in_a_fence(text):
        source = text
        if basis is not Clue.NAMED:
            language, basis = guess(text)[0], Clue.CONTENT
    if source != text and fences(text).is_ill_closed:
        return Unreadable(
            "code_uncertain",
            f'"{key}" stood in a fence that was not closed by the marks that opened it, so that'
            " its end could not be told: give the program without a fence",
        )
    if not language:
        told = f"the language {_shown(named)} of" if named.strip() else "no language was named for"
        end = " is not offered" if named.strip() else ""
        return Unreadable("language_unknown", f'{told} "{key}"{end}; offered are {_OFFERED}')
    return Code(language=language, source=source, basis=str(basis), named=named)


def _in_a_fence(text: str) -> bool:
    """Says whether the first fence of a text can only be one around a program."""
    fence = FENCE_LINE.search(text)
    return fence is not None and not _MAY_HOLD_A_FENCE.search(text, 0, fence.start())


def _as_written(broken: str, text: str, key: str) -> str | Unreadable:
    """Returns the value in broken JSON that a mended text stands for, if it is there as a whole."""
    wanted = text.strip()
    found = [(value, raw) for value, raw in _written(broken) if value.strip() == wanted]
    if not found:
        return Unreadable(
            "code_uncertain",
            f'the JSON was broken, and where "{key}" ends could not be told: quotation'
            " marks, backslashes and line breaks within it must be escaped",
        )
    if any(is_doubtful(raw) for _, raw in found):
        return Unreadable(
            "code_uncertain",
            f'within "{key}" a backslash stood before \' or `, which JSON does not allow: write'
            r" the mark alone, or two backslashes (\\) before it where the program has one",
        )
    return found[0][0]


def _written(broken: str) -> Iterator[tuple[str, str]]:
    """Yields the texts of broken JSON that end for certain, each with how it is written."""
    for match in _WRITTEN.finditer(broken):
        try:
            value = json.loads(f'"{with_valid_escapes(match[1])}"', strict=False)
        except ValueError:  # pragma: no cover - every escape is a valid one by now
            continue
        yield str(value).encode("utf-8", "replace").decode(), match[1]


def _shown(named: str) -> str:
    """Returns a name as JSON has it, on one line and short."""
    return json.dumps(named[:_SHORT], ensure_ascii=False)
