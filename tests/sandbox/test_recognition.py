"""The program of an answer is found unchanged, and its language by the best clue there is."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sandbox.languages import LANGUAGES
from sandbox.names import OTHER, language_named
from sandbox.recognition import Clue, Recognised, recognise
from tests.support.snippets import SNIPPETS

PYTHON, C, CPP, JAVA, RUST = (
    next(text for language, text in SNIPPETS if language == wanted)
    for wanted in ("python", "c", "cpp", "java", "rust")
)


@pytest.mark.parametrize(("language", "text"), SNIPPETS, ids=range(len(SNIPPETS)))
def test_languages_by_content(language: str, text: str) -> None:
    clue = Clue.CONTENT if language else Clue.NOTHING
    assert recognise(text) == Recognised(language, text, clue)


@pytest.mark.parametrize(("language", "text"), SNIPPETS, ids=range(len(SNIPPETS)))
def test_languages_of_fences_without_a_name(language: str, text: str) -> None:
    found = recognise(f"Here is my solution:\n\n```\n{text}```\n\nIt adds the numbers.\n")
    if text.strip():
        assert (found.language, found.source) == (language, text)
    else:
        assert found.language == ""


@pytest.mark.parametrize(
    ("name", "language"),
    [
        *((id_, id_) for id_ in LANGUAGES),
        *((each.title, each.id) for each in LANGUAGES.values()),
        ("Python3", "python"),
        ("Python 3.11", "python"),
        ("python3.12", "python"),
        ("PyPy 3-64", "python"),
        ("Python 3 (PyPy 7.3)", "python"),
        (" py ", "python"),
        ("Language: Python", "python"),
        ("C++17", "cpp17"),
        ("C++ 17", "cpp17"),
        ("GNU C++17 (64)", "cpp17"),
        ("g++", "cpp"),
        ("c++ (gcc)", "cpp"),
        ("GCC C++", "cpp"),
        ("C++20 (GCC 13-64)", "cpp"),
        ("C/C++", "cpp"),
        ("c plus plus", "cpp"),
        ("CPP", "cpp"),
        ("C", "c"),
        ("gcc 12", "c"),
        ("GNU GCC C11 5.1.0", "c"),
        ("ANSI C", "c"),
        ("Java 8 (OpenJDK)", "java"),
        ("java17", "java"),
        ("JS", "javascript"),
        ("Java Script", "javascript"),
        ("node", "javascript"),
        ("JavaScript (Node.js 12.16.3)", "javascript"),
        ("node18", "javascript"),
        ("golang", "go"),
        ("Go 1.19", "go"),
        ("Rust 2021", "rust"),
        ("rs", "rust"),
        ("main.cpp", "cpp"),
        ("solution.py", "python"),
        ("Python 2", OTHER),
        ("python2.7", OTHER),
        ("C#", OTHER),
        ("c# (mono)", OTHER),
        ("Objective-C", OTHER),
        ("TypeScript", OTHER),
        ("Kotlin/JVM 1.9", OTHER),
        ("bash", OTHER),
        ("", ""),
        ("code", ""),
        ("any of them", ""),
        ("1" * 1_000_000, ""),
        ("c" * 1_000_000, ""),
    ],
    ids=lambda value: value[:30] or "nothing",
)
def test_names_of_any_form(name: str, language: str) -> None:
    assert language_named(name) == language


def test_a_name_counts_more_than_the_fence_and_the_fence_more_than_the_content() -> None:
    reply = f"```cpp\n{C}```\n"
    assert recognise(reply) == Recognised("cpp", C, Clue.FENCE)
    assert recognise(reply, "C++17") == Recognised("cpp17", C, Clue.NAMED)
    assert recognise(C, "C++") == Recognised("cpp", C, Clue.NAMED)
    assert recognise(C) == Recognised("c", C, Clue.CONTENT)
    assert recognise(C, "no idea") == Recognised("c", C, Clue.CONTENT)


def test_a_language_that_there_is_not_is_no_reason_to_guess_another() -> None:
    assert recognise(JAVA, "Kotlin") == Recognised("", JAVA, Clue.NOTHING)
    assert recognise(f"```csharp\n{JAVA}```") == Recognised("", JAVA, Clue.NOTHING)


@pytest.mark.parametrize(
    ("line", "language"),
    [
        ("#!/usr/bin/env python3", "python"),
        ("#!/usr/bin/python3.11 -u", "python"),
        ("#! /usr/bin/env -S node --stack-size=999", "javascript"),
        ("#!/usr/bin/env -S LANG=C python3", "python"),
        ("#!/usr/bin/env python2", ""),
        ("#!/bin/sh", ""),
        ("#!", ""),
    ],
)
def test_shebangs(line: str, language: str) -> None:
    text = f"{line}\nx = 1\n"
    clue = Clue.SHEBANG if language else Clue.NOTHING
    assert recognise(text) == Recognised(language, text, clue)
    assert recognise(f"```\n{text}```") == Recognised(language, text, clue)


@pytest.mark.parametrize(
    ("reply", "language", "source"),
    [
        # Forms of a fence.
        (f"~~~python\n{PYTHON}~~~", "python", PYTHON),
        (f"````Python3 title=x\n{PYTHON}````\n", "python", PYTHON),
        (f"``` {{.rust .numberLines}}\n{RUST}```", "rust", RUST),
        (f"```C++\r\n{CPP}```\r\n", "cpp", CPP),
        (f"``` main.py\n{PYTHON}``` \t\n", "python", PYTHON),
        (f"```python\n{PYTHON}", "python", PYTHON),
        # What does not close one.
        (
            "```python\ns = '```'\n```x\nprint(s)\n```\nprose",
            "python",
            "s = '```'\n```x\nprint(s)\n",
        ),
        ("````python\ns = '''\n```\n~~~~\n'''\n````\n", "python", "s = '''\n```\n~~~~\n'''\n"),
        ("```python\ns = '''\n     ```\n'''\n```", "python", "s = '''\n     ```\n'''\n"),
        # What does not open one.
        ("Use ``` or ```x``` here.\n```x```\n```go\npackage main\n```\n", "go", "package main\n"),
        # In a list the indentation is not the program's.
        ("1. So:\n   ```python\n   if x:\n       y()\n\n   ```\n", "python", "if x:\n    y()\n\n"),
        # Several.
        (f"```python\n1\n```\n```python\n{PYTHON}```\n", "python", PYTHON),
        (f"```bash\n{'python main.py ' * 99}\n```\n```c\n{C}```\n", "c", C),
        (f"```\n{'1 2 3 ' * 99}\n```\n```java\n{JAVA}```\n```text\n{'x' * 999}\n```", "java", JAVA),
        (f"```\n{'1 2 3 ' * 99}\n```\nand\n```\n{JAVA}```\n", "java", JAVA),
        (f"```kotlin\n{'fun x() {}' * 99}\n```\n```rust\n{RUST}```", "rust", RUST),
        (f"```rust\n\n```\n```python\n{PYTHON}```", "python", PYTHON),
        (f"```text\n{RUST}```", "rust", RUST),
    ],
    ids=range(18),
)
def test_programs_in_replies(reply: str, language: str, source: str) -> None:
    found = recognise(reply)
    assert (found.language, found.source) == (language, source)


def test_of_several_programs_the_named_language_chooses() -> None:
    reply = f"```python\n{PYTHON * 9}```\nor\n```cpp\n{CPP}```\nor\n```rust\n{RUST}```"
    assert recognise(reply, "Rust").source == RUST
    assert recognise(reply, "C++17") == Recognised("cpp17", CPP, Clue.NAMED)
    assert recognise(reply, "C").source == CPP
    assert recognise(f"```\n{JAVA}```\n```python\n{PYTHON * 9}```", "Java").source == JAVA


def test_a_program_with_fences_in_it_is_not_taken_apart() -> None:
    program = (
        '"""Adds numbers.\n\n```\n>>> add(1, 2)\n3\n```\n"""\nimport sys\n\n\n'
        "def add(a, b):\n    return a + b\n\n\nif __name__ == '__main__':\n    print(add(1, 2))\n"
    )
    assert recognise(program) == Recognised("python", program, Clue.CONTENT)
    assert recognise(program, "python3") == Recognised("python", program, Clue.NAMED)


FENCES = st.builds(str.__mul__, st.sampled_from(("`", "~")), st.integers(3, 6))
ANY_TEXT = st.text(
    st.sampled_from("ab \t\r\n`~#'\"\\{}\x0b\x0c\x1c\u2028\u4e16") | st.characters(codec="utf-8")
)


@given(ANY_TEXT, FENCES, st.sampled_from(("", "python", "c++")), st.sampled_from(("\n", "\r\n")))
def test_a_program_in_a_fence_comes_out_unchanged(
    program: str, fence: str, info: str, end: str
) -> None:
    assume(program.strip())
    # A line that closes the fence is the one thing that it cannot hold.
    assume(not re.search(rf"(?m)^[ \t]*{fence[0]}{{{len(fence)},}}[ \t\r]*$", program))
    assume(not re.search(rf"(?m)^[ \t]*{fence[0]}{{{len(fence)},}}\s*$", program))
    found = recognise(f"My answer:{end}{end}{fence}{info}{end}{program}\n{fence}{end}Good luck!")
    assert found.source == program + "\n"
    if info:
        assert found.language == language_named(info)


@given(ANY_TEXT, ANY_TEXT)
def test_no_text_is_too_odd(text: str, named: str) -> None:
    found = recognise(text, named)
    assert found.language == "" or found.language in LANGUAGES
    assert (found.language == "") is (found.by is Clue.NOTHING)
    assert "```" in text or "~~~" in text or found.source == text


@pytest.mark.parametrize(
    "piece",
    [
        "a", " ", "\n", "\t\n", "`", "```\n", "```\nx\n```\n", "~~~~ `\n", "#", "#!", "(", "<",
        "for in in ", "for a in a in\n", "def f(", "def f(\n", "int main ", "std::", "public static ",
        "const x ", "x => ", "import a, ", "[a for a in ", "$a = ", "\u4e16",
    ],
)  # fmt: skip
def test_a_text_of_a_megabyte_takes_linear_time(piece: str) -> None:
    """Anything worse than linear would not end within the patience of whoever waits."""
    text = piece * (1_000_000 // len(piece))
    recognise(text)
    assert recognise(text, "Python").language == "python"
