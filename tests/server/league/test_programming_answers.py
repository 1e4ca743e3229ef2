"""Answers of a programming league: a program comes back as it was, anything else says why."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.league.code_reading import MAX_CODE_BYTES
from server.league.programming_replies import read_program, read_programming_question
from server.league.programs import CodeAnswer
from server.league.reading import MAX_CHARACTERS, Unreadable
from server.league.replies import MAX_TEXT
from tests.support.program_texts import CODE, GARBAGE, HELLO, PIECES

_WRAPPERS = st.sampled_from(
    ["{}", "```json\n{}\n```", "Here it is:\n{}\nDone.", "<think>{{}}</think>\n{}", "\ufeff{}"]
)


def program(reply: str) -> CodeAnswer:
    read = read_program(reply)
    assert isinstance(read, CodeAnswer), read
    return read


@given(CODE, _WRAPPERS, st.booleans(), st.sampled_from([None, 2]))
def test_a_program_comes_back_character_by_character(
    code: str, wrapper: str, ascii_only: bool, indent: int | None
) -> None:
    value = {"approach": "as it goes", "language": "python", "code": code}
    reply = wrapper.format(json.dumps(value, ensure_ascii=ascii_only, indent=indent))
    assert program(reply).code.source == code


@given(CODE)
def test_broken_json_gives_the_whole_program_or_none(code: str) -> None:
    """Whatever mends it, no part of a program stands for the program."""
    good = json.dumps({"language": "python", "code": code})
    for broken in (
        f"{good[:-1]},}}",
        good[:-1],
        good.replace('{"language"', "{language"),
        good.replace('"python", ', '"python" '),
        f'{{"language": "python", "code": "{code}"}}',
        f"{{'language': 'python', 'code': '{code}'}}",
    ):
        read = read_program(broken)
        if isinstance(read, CodeAnswer) and read.repaired:
            assert read.code.source.strip() in (code.strip(), *_unescaped(code))


def _unescaped(code: str) -> tuple[str, ...]:
    """Returns what a program means that was put between quotation marks without escaping."""
    try:
        return (str(json.loads(f'"{code}"', strict=False)).strip(),)
    except ValueError:
        return ()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param('{"language": "python", "code": "print(1)\\n",}', id="a comma too many"),
        pytest.param('{language: "python", "code": "print(1)\\n"}', id="a bare key"),
        pytest.param('{"language": "python" "code": "print(1)\\n"}', id="a comma missing"),
    ],
)
def test_a_program_in_broken_json_is_read_where_it_is_whole(reply: str) -> None:
    read = read_program(reply)
    assert isinstance(read, CodeAnswer), read
    assert (read.code.source, read.repaired) == ("print(1)\n", True)


def test_quotes_that_were_not_escaped_are_no_end_of_a_program() -> None:
    read = read_program('{"language": "python", "code": "print("a", "b"); x = {"c": "d"}"}')
    assert isinstance(read, Unreadable)
    assert read.cause == "json_broken"
    assert "escaped" in read.detail


def test_one_wrong_escape_changes_nothing_else() -> None:
    read = program(
        r'{"language": "python", "code": "import re\nre.findall(\"\d\\d\\n\u0041\", s)"}'
    )
    assert read.code.source == 'import re\nre.findall("\\d\\d\\nA", s)'
    assert read.repaired


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", r"for w in input().split(\' \'):\n    print(w)\n"),
        ("c", r"#include <stdio.h>\nint main(){putchar(\'a\');}\n"),
        ("javascript", r"console.log(\`x\`)"),
        ("python", r"print(\"a\\n\", \'\d\')"),
    ],
)
@pytest.mark.parametrize("end", ["}", ",}"])
def test_an_escaped_mark_that_needs_no_escape_makes_a_program_uncertain(
    language: str, code: str, end: str
) -> None:
    read = read_program(f'{{"approach": "", "language": "{language}", "code": "{code}"{end}')
    assert isinstance(read, Unreadable), read
    assert read.cause == "code_uncertain"
    assert r"two backslashes (\\)" in read.detail or "could not be told" in read.detail
    assert len(read.detail) < 200


def test_such_a_mark_in_prose_is_the_mark_alone() -> None:
    read = program(
        r"""{"approach": "It\'s \`sum\` of \d, n\\'", "language": "c", "code": "x = '\\'';"}"""
    )
    assert (read.text, read.code.source) == (r"It's `sum` of \d, n\'", r"x = '\'';")
    assert read.repaired


def test_tabs_and_form_feeds_of_a_program_are_no_lost_latex() -> None:
    code = "if x:\n\ttotal = 1\n\ttimes = 2\n\ttau = 3\n\x0cfoo = 4\nneq = 5\r\x08bar = 6"
    assert program(json.dumps({"language": "python", "code": code})).code.source == code


def test_white_space_around_a_program_stays() -> None:
    code = "\n\t print(1)  \n\n"
    assert program(json.dumps({"language": "python", "code": code})).code.source == code


@pytest.mark.parametrize(
    "text",
    [
        "```python\nprint(1)\n```",
        "```\nprint(1)\n```\n",
        "\n~~~py\nprint(1)\n~~~",
        "Here's the program:\n\n```python\nprint(1)\n```\nIt prints 1.",
        "It prints\n```text\n1\n```\nas asked:\n```python\nprint(1)\n```",
        "```python\nprint(1)\n",
        "````python\nprint(1)\n````\nIt prints 1.",
        "```python\nprint(1)\n`````\nIt prints 1.",
    ],
)
def test_a_fence_around_a_program_is_taken_off(text: str) -> None:
    read = program(json.dumps({"language": "python", "code": text}))
    assert read.code.source == "print(1)\n"


@pytest.mark.parametrize(
    "text",
    [
        "````python\nprint(1)\n```\nIt prints 1.\n",
        "~~~python\nprint(1)\n```\nIt prints 1.\n",
        "```python\nprint(1)\n~~~\nIt prints 1.\n",
        "```python\nprint(1)\n``` and it prints 1.\n",
        "Well:\n```text\n1\n```\n````python\nprint(1)\n```\nIt prints 1.",
    ],
)
def test_a_fence_that_other_marks_close_makes_a_program_uncertain(text: str) -> None:
    read = read_program(json.dumps({"language": "python", "code": text}))
    assert isinstance(read, Unreadable)
    assert read.cause == "code_uncertain"
    assert len(read.detail) < 200
    assert isinstance(read_program(text), Unreadable)


def test_a_longer_fence_holds_shorter_ones() -> None:
    code = "print('''\n```\nx\n```\n''')\n"
    for reply in (f"Here:\n````python\n{code}````\nDone.", f"~~~python\n{code}~~~"):
        assert program(reply).code.source == code
        assert program(json.dumps({"language": "python", "code": reply})).code.source == code


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", 'print("""\n```python\nx\n```\n""")'),
        ("python", "s = '''\n```\nx\n```\n'''"),
        ("python", "s = 'a\\\n```\\\nb'"),
        ("c", "/*\n```c\nint main() {}\n```\n*/\nint main(){}"),
        ("c", "#if 0\n```\nx\n```\n#endif\nint main(){}"),
        ("javascript", "x=`\n~~~\ny\n~~~\n`"),
    ],
)
def test_a_fence_within_a_program_is_a_part_of_it(language: str, code: str) -> None:
    read = program(json.dumps({"language": language, "code": code}))
    assert (read.code.language, read.code.source) == (language, code)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"language": "Python 3.11", "code": "x"}, ("python", "x", "named", "Python 3.11")),
        ({"LANGUAGE": "C++", "Code": "x"}, ("cpp", "x", "named", "C++")),
        ({"lang": "golang", "program": "x"}, ("go", "x", "named", "golang")),
        ({"language": "rust", "solution": "x"}, ("rust", "x", "named", "rust")),
        ({"solution": {"language": "java", "code": "x"}}, ("java", "x", "named", "java")),
        ({"language": "c", "code": ["a", "", " b"]}, ("c", "a\n\n b\n", "named", "c")),
        ({"language": "c", "code": ["a\n", "b"]}, ("c", "a\nb\n", "named", "c")),
        ({"code": "```go\nx\n```"}, ("go", "x\n", "fence", "")),
        (
            {"code": "#!/usr/bin/env python3\nx"},
            ("python", "#!/usr/bin/env python3\nx", "shebang", ""),
        ),
        ({"code": HELLO}, ("python", HELLO, "content", "")),
        ({"language": "my best", "code": HELLO}, ("python", HELLO, "content", "my best")),
        ({"language": 3, "code": HELLO}, ("python", HELLO, "content", "")),
    ],
)
def test_how_the_language_was_told(value: object, expected: tuple[str, ...]) -> None:
    code = program(json.dumps(value)).code
    assert (code.language, code.source, code.basis, code.named) == expected


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ({"language": "ruby", "code": "puts 1"}, "language_unknown"),
        ({"language": "x" * 5000 + "\n", "code": "puts 1"}, "language_unknown"),
        ({"code": "puts 1"}, "language_unknown"),
        ({"code": ""}, "code_empty"),
        ({"code": " \n\t"}, "code_empty"),
        ({"code": 7}, "code_empty"),
        ({"code": []}, "code_empty"),
        ({"code": {"language": "c"}}, "code_empty"),
        ({"approach": "none"}, "key_missing"),
        ({"language": "c", "code": "é" * (MAX_CODE_BYTES // 2 + 1)}, "too_long"),
        ({"language": "c", "code": "e" * MAX_CHARACTERS}, "too_long"),
        ({"language": "c", "code": "x", "approach": "y" * (MAX_TEXT + 1)}, "too_long"),
    ],
)
def test_an_answer_without_a_program_says_why(value: object, cause: str) -> None:
    read = read_program(json.dumps(value, ensure_ascii=False))
    assert isinstance(read, Unreadable), read
    assert read.cause == cause
    assert 0 < len(read.detail) < 250
    assert "\n" not in read.detail
    if cause == "language_unknown":
        assert read.detail.endswith("python, c, cpp, cpp17, java, javascript, go, rust")


def test_a_megabyte_of_code_is_read() -> None:
    code = "é" * (MAX_CODE_BYTES // 2)
    assert (
        program(json.dumps({"language": "c", "code": code}, ensure_ascii=False)).code.source == code
    )


@pytest.mark.parametrize(
    ("reply", "language"),
    [
        (f"Here it is:\n```python\n{HELLO}```\nThat is all.", "python"),
        (f"<think>```c\nx\n```</think>\n~~~\n{HELLO}~~~", "python"),
        ('```python\nx = {"code": 1}\n```', "python"),
        ("```c\nint main() { int code; }\n```", "c"),
        ('{"language": "go", "code":\n```go\npackage main\n```\n}', "go"),
    ],
)
def test_a_program_in_the_only_fence_is_an_answer(reply: str, language: str) -> None:
    read = program(reply)
    assert read.code.language == language
    assert read.code.source in reply
    assert read.code.source.endswith("\n")
    assert "```" not in read.code.source
    assert read.repaired
    assert isinstance(read_programming_question(reply), Unreadable)


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        ("I cannot do this.", "no_json"),
        (f"```python\n{HELLO}", "no_json"),
        (f"```python\n{HELLO}```\nor\n```python\n{HELLO}```", "no_json"),
        ("```python\n```", "no_json"),
        ("```ruby\nputs 1\n```", "no_json"),
        ('```json\n{"language": "python", "code": "import sys\n```', "json_cut"),
        ("", "empty_reply"),
    ],
)
def test_anything_else_that_is_no_json_is_no_answer(reply: str, cause: str) -> None:
    read = read_program(reply)
    assert isinstance(read, Unreadable), read
    assert read.cause == cause


@given(
    st.one_of(GARBAGE.map(lambda value: json.dumps({"code": value})), st.lists(PIECES).map("".join))
)
def test_no_program_raises(reply: str) -> None:
    str(read_program(reply)).encode()


@pytest.mark.parametrize(
    "pattern", ['{"code":', '"', ':"', ': "\\', "```\n", "`", '{"code": "a"', " : ", "#if\n```\n"]
)
def test_reading_is_quick_whatever_a_reply_repeats(pattern: str) -> None:
    reply = '{"code": "' + pattern * ((MAX_CHARACTERS - 100) // len(pattern))
    start = time.process_time()
    read_program(reply)
    read_program(f'{reply}", "language": "c",}}')
    read_program(json.dumps({"code": reply[: MAX_CHARACTERS // 2]}))
    assert time.process_time() - start < 15


def test_a_draft_with_many_braces_before_the_answer_hides_nothing() -> None:
    draft = "void f() { if (x) { g(); } }\n" * 200
    read = program(f"Draft:\n{draft}\nAnswer:\n{json.dumps({'language': 'c', 'code': draft})}")
    assert (read.code.source, read.repaired) == (draft, False)
