"""A key that decides and comes twice, with different values, is asked for again."""

import json

import pytest

from server.league.programming_replies import read_program, read_programming_question
from server.league.programs import CodeAnswer, ProgrammingQuestion
from server.league.reading import Unreadable
from server.league.replies import (
    AnswerReply,
    JudgmentReply,
    QuestionReply,
    read_answer,
    read_question,
    read_ranking,
    read_scores,
)

QUESTION = """{"principle": "p", "problem": "q", "language": "python", "solution": "x",
 "cases": [{"input": "1", "output": "1"}], "marking_scheme": "m",
 "checker": {"kind": "floats", "tolerance": 0.001},
 "generator": {"language": "python", "code": "g", "inputs": ["5"]}}"""


def repeated(read: object, key: str) -> None:
    assert isinstance(read, Unreadable), read
    assert read.cause == "key_repeated"
    assert read.detail == f"'{key}' came more than once, with different values"


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ('"code": "print(2)"', "code"),
        ('"Code": "print(2)"', "code"),
        ('" code ": ["print(2)"]', "code"),
        ('"language": "c"', "language"),
    ],
)
def test_a_program_or_its_language_twice(more: str, key: str) -> None:
    reply = f'{{"language": "python", "code": "print(1)", {more}}}'
    repeated(read_program(reply), key)


def test_twice_the_same_or_what_decides_nothing_is_no_matter() -> None:
    read = read_program(
        '{"language": "c", "CODE": "x", "approach": "a", "code": "x", "approach": "b"}'
    )
    assert isinstance(read, CodeAnswer)
    assert (read.code.source, read.text) == ("x", "b")


def test_a_program_in_an_object_of_its_own_twice() -> None:
    repeated(read_program('{"solution": {"language": "c", "code": "x", "code": "y"}}'), "code")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"problem": "q"', '"problem": "q", "problem": "r"', "problem"),
        ('"solution": "x"', '"solution": "x", "Solution": "y"', "solution"),
        ('"cases": [', '"cases": [], "cases": [', "cases"),
        ('"input": "1"', '"input": "1", "input": "2"', "input"),
        ('"output": "1"', '"output": "1", "output": "2"', "output"),
        ('"kind": "floats"', '"kind": "floats", "kind": "exact"', "kind"),
        ('"code": "g"', '"code": "g", "code": "h"', "code"),
        ('"inputs": ["5"]', '"inputs": ["5"], "inputs": ["6"]', "inputs"),
        ('"marking_scheme": "m"', '"marking_scheme": "m", "marking_scheme": "n"', "marking_scheme"),
    ],
)
def test_any_part_of_a_programming_question_twice(old: str, new: str, key: str) -> None:
    assert isinstance(read_programming_question(QUESTION), ProgrammingQuestion)
    assert old in QUESTION
    repeated(read_programming_question(QUESTION.replace(old, new)), key)
    same = QUESTION.replace(old, f"{old}, {old}") if not old.endswith("[") else QUESTION
    assert isinstance(read_programming_question(same), ProgrammingQuestion)


def test_cases_with_the_same_name() -> None:
    value = json.loads(QUESTION) | {"cases": {"a": "1", "b": "2"}}
    repeated(read_programming_question(json.dumps(value).replace('"b"', '"a"')), "a")


def test_mathematics() -> None:
    repeated(read_question('{"problem": "p", "answer": "1", "answer": "2"}'), "answer")
    repeated(read_question('{"problem": "p", "Problem": "q", "answer": "1"}'), "problem")
    repeated(read_answer('{"solution": "s", "solution": "t", "answer": "1"}'), "solution")
    question = read_question('{"principle": "x", "principle": "y", "problem": "p", "answer": "1"}')
    assert isinstance(question, QuestionReply)
    answer = read_answer('{"answer": "1", "answer": "1"}')
    assert isinstance(answer, AnswerReply)


def test_judgments() -> None:
    repeated(read_ranking('{"ranks": {"A": 1}, "ranks": ["A"]}', ("A",)), "ranks")
    repeated(read_scores('{"scores": {"A": 1}, "Scores": {"A": 2}}', ("A",)), "scores")
    read = read_scores('{"reasons": {"A": "x"}, "reasons": {}, "scores": {"A": 1}}', ("A",))
    assert isinstance(read, JudgmentReply)


def test_a_name_is_told_in_short() -> None:
    cases = json.dumps({"x" * 99: "1", "y": "2"}).replace('"y"', json.dumps("x" * 99))
    read = read_programming_question(QUESTION.replace('[{"input": "1", "output": "1"}]', cases))
    repeated(read, "x" * 40 + "...")
