"""Questions of a programming league: all their parts come back, anything else says why."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.model import Exact, Floats, ProgramChecker, Tokens
from server.league.programming_replies import MAX_CASES, read_program, read_programming_question
from server.league.programs import CodeAnswer, GivenCase, ProgrammingQuestion
from server.league.reading import Unreadable
from server.league.replies import MAX_TEXT, JudgmentReply, read_scores
from tests.support.program_texts import CODE, GARBAGE, HELLO, PIECES

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


@given(CODE, CODE, CODE, st.lists(PIECES, min_size=1).map("".join))
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
    "text",
    [
        "Commands, one a line:\neq a b\nmid a b c\nabla\notin",
        "Columns are separated by a tab:\nfrom\to\n1\t2\ntau\top\ntext\ttext",
        "A line ends with \\r\\n, and \rthis with \x08backspace and \x0cform feed.",
    ],
)
def test_texts_of_a_programming_question_are_no_formulas(text: str) -> None:
    read = question(problem=text, principle=text, marking_scheme=text)
    assert (read.text, read.principle, read.marking_scheme) == (text, text, text)
    answer = read_program(json.dumps({"language": "c", "code": "x", "approach": text}))
    assert isinstance(answer, CodeAnswer)
    assert answer.text == text
    judgment = read_scores(json.dumps({"reasons": {"A": text}, "scores": {"A": 1}}), ("A",))
    assert isinstance(judgment, JudgmentReply)
    assert judgment.reasons == {"A": text}


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
        # "0" would be right for 123456.
        ({"checker": {"kind": "floats", "tolerance": 1}}, "checker_unknown"),
        ({"checker": {"kind": "floats", "tolerance": 0.011}}, "checker_unknown"),
        ({"checker": {"kind": "floats", "absolute": 0.5, "relative": 0}}, "checker_unknown"),
        ({"checker": {"kind": "floats", "relative": 0.02}}, "checker_unknown"),
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
        ({"checker": {"kind": "floats", "tolerance": 0.01}}, Floats(0.01, 0.01)),
        ({"checker": {"type": "floats", "absolute": 0.001}}, Floats(0.001, 0.0)),
        ({"checker": {"type": "floats", "absolute": 1e-2, "relative": 0}}, Floats(0.01, 0.0)),
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


@given(st.dictionaries(st.sampled_from(sorted(QUESTION)), GARBAGE))
def test_no_question_raises(parts: dict[str, Any]) -> None:
    for value in (parts, QUESTION | parts):
        read = read_programming_question(json.dumps(value))
        # What was read can be stored and sent: it is text that UTF-8 holds.
        str(read).encode()
