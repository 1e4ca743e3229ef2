"""Excerpts: bounded, complete about what they leave out, and without hidden characters."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.league.excerpts import excerpt

MARK = re.compile(r"\[\.\.\. ([\d,]+) (?:bytes|characters) left out \.\.\.\]")
texts = st.one_of(
    st.binary(max_size=600),
    st.text(max_size=600),
    st.text(max_size=600).map(lambda text: text.encode("utf-8", "replace")),
    st.tuples(st.sampled_from([b"\x1b[2J", b'"', b"\\", b"\xff", b"\xe6\xbc\xa2"]), st.integers(0, 300))
    .map(lambda drawn: drawn[0] * drawn[1]),
)  # fmt: skip


@given(texts, st.integers(50, 400))
def test_it_takes_no_more_of_a_string_of_json_than_it_may(data: bytes | str, most: int) -> None:
    shown = excerpt(data, most)
    assert len(json.dumps(shown, ensure_ascii=False)) <= most + len('""')
    assert all(c.isprintable() or c in "\n\t" for c in shown)


@given(st.text(st.characters(categories=["L", "N"], exclude_characters="."), max_size=900))
def test_what_is_left_out_is_what_is_missing(text: str) -> None:
    for data, unit in ((text, len), (text.encode(), lambda part: len(part.encode()))):
        shown = excerpt(data, 300)
        mark = MARK.search(shown)
        if mark is None:
            assert shown == text
            continue
        head, tail = shown[: mark.start()], shown[mark.end() :]
        left_out = int(mark[1].replace(",", ""))
        assert text.startswith(head)
        assert text.endswith(tail)
        assert unit(head) + left_out + unit(tail) == unit(text)
        assert len(head) > len(tail) > 0


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", ""),
        (b"1 2\n3\t4\n", "1 2\n3\t4\n"),
        (b"\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        (b"over\rwritten", "over\\rwritten"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("\u202egpj.exe".encode(), "\\u202egpj.exe"),
        ("\u2028\x85\u200b".encode(), "\\u2028\\x85\\u200b"),
        ("\ud800", "\\ud800"),
        ("\u6f22\u5b57 \u00e9".encode(), "\u6f22\u5b57 \u00e9"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(data: bytes | str, shown: str) -> None:
    assert excerpt(data, 100) == shown


def test_of_the_beginning_of_a_text_no_end_is_shown() -> None:
    shown = excerpt(b"abc" * 5, 100, total=4_000_000)
    assert shown == "abc" * 5 + "[... 3,999,985 bytes left out ...]"
    assert excerpt(b"abc" * 500, 100, total=4_000_000).endswith("left out ...]")
