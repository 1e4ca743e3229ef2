"""What is looked at of a hostile source is bounded, and large ones are read beside the loop."""

import threading

import pytest

from sandbox import java_names, recognition
from sandbox.checking import language_of
from sandbox.features import SAMPLE
from sandbox.languages import LANGUAGES
from sandbox.model import Program

MEBIBYTE = 1 << 20


@pytest.mark.parametrize("piece", ["```\n", "~~~c\nx\n~~~\n", "- ```\n ```py\n \n ```\n"])
def test_so_many_fences_are_looked_into(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def named(word: str) -> str:
        looked.append(word)
        return ""

    monkeypatch.setattr(recognition, "language_named", named)
    text = piece * (MEBIBYTE // len(piece))
    assert recognition.recognise(text).source in text
    assert len(looked) <= recognition._MOST_FENCES


def test_all_fences_together_are_sampled_like_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled: list[int] = []

    def guess(text: str) -> tuple[str, int]:
        sampled.append(len(text))
        return "", 0

    monkeypatch.setattr(recognition, "guess", guess)
    recognition.recognise(("```\n" + "int x;\n" * 9000 + "```\nprose\n" * 2) * 16)
    assert sum(sampled[:-1]) <= SAMPLE


@pytest.mark.parametrize("word", ["(", "a ", "class A ", "{};", "{", '"', "{(", "'x"])
def test_so_many_words_of_a_java_source_are_read(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(java_names._Reading, "read", lambda _, word: read.append(word))
    java_names.java_names(word * (MEBIBYTE // len(word)))
    assert len(read) <= java_names._MOST_TOKENS


def test_the_main_class_of_a_long_source_is_found_behind_its_methods() -> None:
    method = "void f() { if (a) { g(b[0].c, \"}\"); for (;;) { h('{'); } } /* } */ }\n"
    source = "class Helper {" + method * 5_000 + "}\npublic class Run { " + "int a;" * 50
    source += "public static void main(String[] a) { f(); } }"
    assert len(source) > MEBIBYTE // 4
    assert java_names.java_names(source) == java_names.JavaNames("Run.java", "Run")


@pytest.mark.parametrize(("size", "beside"), [(100, False), (100_000, True)])
async def test_large_sources_are_read_beside_the_loop(
    size: int, *, beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    class _Language:
        def of(self, _: str) -> "_Language":
            threads.append(threading.get_ident())
            return self

    monkeypatch.setitem(LANGUAGES, "java", _Language())
    await language_of(Program("java", "x" * size))
    assert len(threads) == 1
    assert (threads[0] != threading.get_ident()) == beside
