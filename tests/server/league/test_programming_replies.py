"""Replies of a programming league: programs come back as they were, anything else says why."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.model import Exact, Floats, ProgramChecker, Tokens
from server.league.code_reading import MAX_CODE_BYTES
from server.league.programming_replies import (
    MAX_CASES,
    read_program,
    read_programming_question,
)
from server.league.programs import CodeAnswer, GivenCase, ProgrammingQuestion
from server.league.reading import MAX_CHARACTERS, Unreadable
from server.league.replies import MAX_TEXT

HELLO = 'import sys\n\nprint("hello, \\"world\\"\\n\\t", len(sys.argv))\n'
QUESTION: dict[str, Any] = {
    "principle": "sums",
    "problem": "Print the sum.",
    "language": "python",
    "solution": HELLO,
    "checker": {"kind": "tokens", "tolerance": 0},
    "cases": [{"input": "1 2\n", "output": "3\n"}],
    "generator": None,
    "marking_scheme": "100 for right outputs",
}

# What programs hold and readers of text trip over.
_PIECES = st.sampled_from(
    [
        *('"', "'", "\\", "\\\\", '\\"', "\\n", "\\t", "\\u0041", "\\d", "\\x1b", "\\frac", "\\"),
        *("\n", "\r\n", "\r", "\t", "\f", "\b", "\v", "\0", " ", "\u2028", "\u00a0", "\ufeff"),
        *("```", "```python\n", "\n```\n", "~~~\n", "`", "{", "}", "[", "]", ",", ":", "//", "/*"),
        *("\times", "\n\tto = 1", "\neq", "\text", "\rightarrow", "\x08inom", "\x0crac"),
        *("</think>", '{"code": "x"}', '"""', "'''", "é", "漢", "😀", "print(1)\n", "END OF DATA"),
    ]
)
_CODE = (
    st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=40).map("".join))
    .map(lambda text: text.encode("utf-8", "replace").decode())
    .map(lambda text: f'x = """{text}')
)
_WRAPPERS = st.sampled_from(
    ["{}", "```json\n{}\n```", "Here it is:\n{}\nDone.", "<think>{{}}</think>\n{}", "\ufeff{}"]
)


def program(reply: str) -> CodeAnswer:
    read = read_program(reply)
    assert isinstance(read, CodeAnswer), read
    return read


def question(**parts: Any) -> ProgrammingQuestion:
    read = read_programming_question(json.dumps(QUESTION | parts))
    assert isinstance(read, ProgrammingQuestion), read
    return read


def why_no_question(**parts: Any) -> Unreadable:
    read = read_programming_question(json.dumps(QUESTION | parts))
    assert isinstance(read, Unreadable), read
    assert 0 < len(read.detail) < 200
    assert "\n" not in read.detail
    return read


@given(_CODE, _WRAPPERS, st.booleans(), st.sampled_from([None, 2]))
def test_a_program_comes_back_character_by_character(
    code: str, wrapper: str, ascii_only: bool, indent: int | None
) -> None:
    value = {"approach": "as it goes", "language": "python", "code": code}
    reply = wrapper.format(json.dumps(value, ensure_ascii=ascii_only, indent=indent))
    assert program(reply).code.source == code


@given(_CODE, _CODE, _CODE, st.lists(_PIECES, min_size=1).map("".join))
def test_all_of_a_questions_programs_and_cases_come_back(
    reference: str, generator: str, checker: str, text: str
) -> None:
    read = question(
        solution=reference,
        generator={"language": "c", "code": generator, "inputs": [text]},
        checker={"kind": "program", "language": "go", "code": checker},
        cases=[{"input": text, "output": f"{text}."}],
    )
    assert read.reference.source == reference
    assert read.generator is not None
    assert read.generator.source == generator
    assert isinstance(read.checker.checker, ProgramChecker)
    assert read.checker.checker.program.source == checker
    assert read.cases == (
        GivenCase(input=text, expected=f"{text}."),
        GivenCase(input=text, generated=True),
    )


@given(_CODE)
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
        pytest.param('{"language": "python", "code": "print(1)\\n"', id="not closed }"),
        pytest.param('{language: "python", "code": "print(1)\\n"}', id="a bare key"),
        pytest.param('{"language": "python" "code": "print(1)\\n"}', id="a comma missing"),
    ],
)
def test_a_program_in_broken_json_is_read_where_it_is_whole(reply: str) -> None:
    read = read_program(reply)
    if reply.endswith("}"):
        assert isinstance(read, CodeAnswer), read
        assert (read.code.source, read.repaired) == ("print(1)\n", True)
    else:
        assert isinstance(read, Unreadable)
        assert read.cause == "no_json"


def test_quotes_that_were_not_escaped_are_no_end_of_a_program() -> None:
    read = read_program('{"language": "python", "code": "print("a", "b"); x = {"c": "d"}"}')
    assert isinstance(read, Unreadable)
    assert read.cause == "code_uncertain"
    assert "escaped" in read.detail


def test_one_wrong_escape_changes_nothing_else() -> None:
    read = program(
        r'{"language": "python", "code": "import re\nre.findall(\"\d\\d\\n\u0041\", s)"}'
    )
    assert read.code.source == 'import re\nre.findall("\\d\\d\\nA", s)'
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
    ],
)
def test_a_fence_around_a_program_is_taken_off(text: str) -> None:
    read = program(json.dumps({"language": "python", "code": text}))
    assert read.code.source == "print(1)\n"


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
        ('```json\n{"language": "python", "code": "import sys\n```', "no_json"),
        ("", "empty_reply"),
    ],
)
def test_anything_else_that_is_no_json_is_no_answer(reply: str, cause: str) -> None:
    read = read_program(reply)
    assert isinstance(read, Unreadable), read
    assert read.cause == cause


def test_a_question_keeps_all_its_parts() -> None:
    read = question()
    assert (read.text, read.principle) == ("Print the sum.", "sums")
    assert read.marking_scheme == "100 for right outputs"
    assert (read.reference.language, read.reference.source) == ("python", HELLO)
    assert read.cases == (GivenCase(input="1 2\n", expected="3\n"),)
    assert read.generator is None
    assert read.checker.checker == Tokens()
    assert not read.repaired


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"input": "a\n", "output": 3}, ("a\n", "3")),
        ({"input": 5, "expected_output": 1.5}, ("5", "1.5")),
        ({"stdin": ["2", "x y"], "stdout": ["1", 2]}, ("2\nx y\n", "1\n2\n")),
        ({"input": "a", "output": True}, ("a", "true")),
        ({"input": "a"}, ("a", None)),
        ({"input": "a", "output": None}, ("a", None)),
        ({"input": "a", "output": " \n"}, ("a", None)),
        ({"input": "", "output": "x"}, ("", "x")),
        ({"input": None, "output": "x"}, ("", "x")),
        ({"input": [], "output": "x"}, ("", "x")),
        (["a", "b"], ("a", "b")),
        ("a\r\n", ("a\r\n", None)),
        (12345678901234567890, ("12345678901234567890", None)),
    ],
)
def test_forms_of_a_case(case: object, expected: tuple[str, str | None]) -> None:
    (read,) = question(cases=[case]).cases
    assert (read.input, read.expected, read.generated) == (*expected, False)


def test_cases_may_be_named_or_none() -> None:
    named = question(cases={"first": {"input": "a"}, "second": "b"})
    assert [case.input for case in named.cases] == ["a", "b"]
    nothing: tuple[object, ...] = ([], None, "", {})
    for none in nothing:
        assert question(cases=none).cases == ()
    assert len(question(cases=["1"] * MAX_CASES).cases) == MAX_CASES


@pytest.mark.parametrize(
    ("parts", "cause"),
    [
        ({"problem": ""}, "text_empty"),
        ({"problem": None}, "key_missing"),
        ({"problem": "p" * (MAX_TEXT + 1)}, "too_long"),
        ({"marking_scheme": "p" * (MAX_TEXT + 1)}, "too_long"),
        ({"solution": ""}, "code_empty"),
        ({"solution": None}, "code_empty"),
        ({"language": "haskell"}, "language_unknown"),
        ({"cases": ["1"] * (MAX_CASES + 1)}, "too_long"),
        ({"cases": 3}, "shape_wrong"),
        ({"cases": "1 2"}, "shape_wrong"),
        ({"cases": [{"output": "1"}]}, "case_invalid"),
        ({"cases": [None]}, "case_invalid"),
        ({"cases": [{"input": {"n": 1}}]}, "case_invalid"),
        ({"cases": [{"input": [[1]]}]}, "case_invalid"),
        ({"cases": [{"input": "1", "output": {"n": 1}}]}, "case_invalid"),
        ({"generator": {"language": "python", "code": "", "inputs": ["1"]}}, "code_empty"),
        ({"generator": {"language": "bash", "code": "x", "inputs": ["1"]}}, "language_unknown"),
        ({"checker": "magic"}, "checker_unknown"),
        ({"checker": 7}, "checker_unknown"),
        ({"checker": {"kind": "floats", "tolerance": -1}}, "checker_unknown"),
        ({"checker": {"kind": "floats", "tolerance": "small"}}, "checker_unknown"),
        ({"checker": {"kind": "floats", "tolerance": True}}, "checker_unknown"),
        ({"checker": {"kind": "floats", "absolute": float("nan")}}, "checker_unknown"),
        ({"checker": {"kind": "program", "code": ""}}, "code_empty"),
        ({"checker": "program"}, "code_empty"),
    ],
)
def test_a_question_that_cannot_be_used_says_why(parts: dict[str, Any], cause: str) -> None:
    assert why_no_question(**parts).cause == cause


@pytest.mark.parametrize(
    ("parts", "checker"),
    [
        ({"checker": None}, Tokens()),
        ({"checker": ""}, Tokens()),
        ({"checker": "Tokens"}, Tokens()),
        ({"checker": {}}, Tokens()),
        ({"checker": {"kind": "tokens", "language": "python", "code": "x"}}, Tokens()),
        ({"checker": " exact match "}, Exact()),
        ({"checker": "float"}, Floats(1e-6, 1e-6)),
        ({"checker": "floats", "tolerance": "1e-9"}, Floats(1e-9, 1e-9)),
        ({"checker": {"kind": "floats", "tolerance": 0.5}}, Floats(0.5, 0.5)),
        ({"checker": {"type": "floats", "absolute": 0.1}}, Floats(0.1, 0.0)),
        ({"checker": {"type": "floats", "absolute": 0.1, "relative": 0}}, Floats(0.1, 0.0)),
    ],
)
def test_forms_of_a_checker(parts: dict[str, Any], checker: object) -> None:
    assert question(**parts).checker.checker == checker


def test_a_checker_program_may_be_given_flat_or_without_its_kind() -> None:
    for parts in (
        {"checker": {"language": "python", "code": "x"}},
        {"checker": "program", "checker_language": "py", "checker_code": "x"},
    ):
        code = question(**parts).checker.code
        assert code is not None
        assert (code.language, code.source) == ("python", "x")


@pytest.mark.parametrize(
    "parts",
    [
        {"generator": {"language": "python", "code": "x", "inputs": ["5", {"input": "6"}]}},
        {"generator": "x", "generator_language": "python", "generator_inputs": [5, "6"]},
    ],
)
def test_forms_of_a_generator(parts: dict[str, Any]) -> None:
    read = question(cases=[], **parts)
    assert read.generator is not None
    assert (read.generator.language, read.generator.source) == ("python", "x")
    assert read.cases == (
        GivenCase(input="5", generated=True),
        GivenCase(input="6", generated=True),
    )


def test_a_generator_without_parameters_makes_one_case() -> None:
    read = question(generator={"language": "python", "code": "x", "inputs": []})
    assert read.cases[-1] == GivenCase(input="", generated=True)
    assert len(read.cases) == 2


def test_an_empty_generator_is_none() -> None:
    empty = question(generator={"language": "python", "code": "", "inputs": []})
    assert empty.generator is None


_GARBAGE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | _PIECES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["input", "output", "code", "language", "kind", "inputs", "?"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(QUESTION)), _GARBAGE))
def test_no_question_raises(parts: dict[str, Any]) -> None:
    for value in (parts, QUESTION | parts):
        read = read_programming_question(json.dumps(value))
        # What was read can be stored and sent: it is text that UTF-8 holds.
        str(read).encode()


@given(
    st.one_of(
        _GARBAGE.map(lambda value: json.dumps({"code": value})), st.lists(_PIECES).map("".join)
    )
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
