"""The keys under which models give a program, and how often a reply is parsed to look for them."""

from typing import Any

import pytest

from server.league import reading
from server.league.programming_replies import read_program
from server.league.programs import CodeAnswer
from server.league.reading import Unreadable


def test_a_reply_is_parsed_once_whatever_key_its_program_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[str] = []
    objects, mended = reading._objects, reading._mended

    def objects_of(text: str) -> list[Any]:
        parsed.append("as is")
        return objects(text)

    def mended_of(text: str) -> Any:
        parsed.append("mended")
        return mended(text)

    monkeypatch.setattr(reading, "_objects", objects_of)
    monkeypatch.setattr(reading, "_mended", mended_of)
    read = read_program('{"thing": "a "b" c"}')
    assert isinstance(read, Unreadable)
    assert parsed == ["as is", "mended"]


def test_the_key_that_is_asked_for_first_decides() -> None:
    either = read_program('{"source": "print(1)", "language": "python", "code": "print(2)"}')
    assert isinstance(either, CodeAnswer)
    assert either.code.source == "print(2)"
    objects = '{"code": "print(3)", "lang": "python"} {"source": "print(4)", "lang": "python"}'
    first = read_program(objects)
    assert isinstance(first, CodeAnswer)
    assert first.code.source == "print(3)"
