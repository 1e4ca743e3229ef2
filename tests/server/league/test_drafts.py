"""Drafts in a reply never stand for what it decides, whether that can be read or not."""

import json

import pytest

from server.league.programming_replies import read_program, read_programming_question
from server.league.programs import CodeAnswer, ProgrammingQuestion
from server.league.reading import Unreadable
from server.league.replies import AnswerReply, JudgmentReply, read_answer, read_ranking, read_scores

DRAFT = json.dumps({"approach": "", "language": "python", "code": "draft"})
FINAL = json.dumps({"approach": "", "language": "python", "code": "final"})
ONE_BAD_ESCAPE = FINAL.replace('"final"', r'"re.sub(\"\d\", x)"')
A_COMMA_TOO_MANY = FINAL.replace("}", ",}")
QUOTES = FINAL.replace('"final"', '"print("a", "b")"')

MARKS = pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<think>", "</think>"),
        ("", "</think>"),
        ("\n<Thinking>", "</Thinking >"),
        ("<thought>", "</thought>"),
        ("<seed:think>", "</seed:think>"),
        ("[THINK]", "[/THINK]"),
        ("◁think▷", "◁/think▷"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ],
)


def source(reply: str) -> str:
    read = read_program(reply)
    assert isinstance(read, CodeAnswer), read
    return read.code.source


def cause(reply: str) -> str:
    read = read_program(reply)
    assert isinstance(read, Unreadable), read
    assert 0 < len(read.detail) < 250
    assert "\n" not in read.detail
    return read.cause


@MARKS
@pytest.mark.parametrize(
    ("final", "code"),
    [
        (FINAL, "final"),
        (ONE_BAD_ESCAPE, r're.sub("\d", x)'),
        (A_COMMA_TOO_MANY, "final"),
        (f"So:\n```json\n{FINAL}\n```\nDone.", "final"),
        ("```python\nprint(1)\n```", "print(1)\n"),
    ],
)
def test_a_draft_in_thoughts_is_not_looked_at(
    opening: str, closing: str, final: str, code: str
) -> None:
    assert source(f"{opening}Perhaps {DRAFT}, no.{closing}\n{final}") == code


@MARKS
@pytest.mark.parametrize(
    ("final", "why"),
    [
        (QUOTES, "code_uncertain"),
        (FINAL[:-9], "json_cut"),
        ("I give up.", "no_json"),
        ("", "no_json"),
        ('{"approach": ""}', "key_missing"),
    ],
)
def test_where_nothing_readable_follows_thoughts_the_model_is_asked_again(
    opening: str, closing: str, final: str, why: str
) -> None:
    assert cause(f"{opening}Perhaps {DRAFT}, no.{closing}\n{final}") == why


@pytest.mark.parametrize(
    "final", [FINAL, ONE_BAD_ESCAPE, A_COMMA_TOO_MANY, f"```json\n{FINAL}\n```\n"]
)
def test_thoughts_that_are_never_closed_count_where_the_object_ends_the_reply(final: str) -> None:
    assert source(f"<think>Perhaps {DRAFT}, no. {final}") != "draft"
    assert source(f"<think>I see. {final}") == source(final)
    assert cause(f"<think>Perhaps {final}, but no, rather a") == "thinking_unclosed"
    assert cause(f"{final} <think>Was that right?") == "thinking_unclosed"


def test_a_program_alone_in_thoughts_that_are_never_closed_is_no_answer() -> None:
    assert cause("<think>Perhaps\n```python\nprint(1)\n```\nor") == "no_json"


@pytest.mark.parametrize("mark", ["</think>", "<think>", "[/THINK]"])
@pytest.mark.parametrize("before", ["", "<think>Well.</think>", f"<think>{DRAFT}</think>"])
def test_marks_of_thoughts_within_a_text_are_a_part_of_it(mark: str, before: str) -> None:
    code = f'print("{mark}")'
    reply = f"{before}{json.dumps({'language': 'python', 'code': code})}"
    assert source(reply) == code
    assert source(reply.replace('"python"', r'"python", "approach": "\d"')) == code


@pytest.mark.parametrize(
    ("final", "code"),
    [
        (FINAL, "final"),
        (ONE_BAD_ESCAPE, r're.sub("\d", x)'),
        (A_COMMA_TOO_MANY, "final"),
        (f"Here: {A_COMMA_TOO_MANY} So much for {{this}}.", "final"),
    ],
)
def test_the_last_of_two_programs_counts_even_if_it_has_to_be_mended(final: str, code: str) -> None:
    assert source(f"Draft: {DRAFT}\nOn reflection:\n{final}") == code
    assert source(f"Draft: {DRAFT}\n{DRAFT[:20]}\nOn reflection:\n{final}") == code


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (f"{DRAFT}\n{QUOTES}", "code_uncertain"),
        (f"{DRAFT}\n" + '{"x": ' * 3 + f"{A_COMMA_TOO_MANY}", "json_cut"),
        (f"{A_COMMA_TOO_MANY}\n{A_COMMA_TOO_MANY}", "ambiguous"),
        ('{"language": "python", "code": "a", "code": "b",}', "ambiguous"),
        # A part of a program, which is an object by itself.
        ('{"approach": "a "q"", "code": "f({"code": "x", "language": "c"})"}', "ambiguous"),
        (f"```python\nprint(1)\n```\nNo, rather: {QUOTES}", "code_uncertain"),
    ],
)
def test_a_draft_does_not_stand_for_a_last_one_that_cannot_be_mended(reply: str, why: str) -> None:
    assert cause(reply) == why


def test_an_object_that_breaks_off_after_a_whole_one_changes_nothing() -> None:
    assert source(f"{FINAL}\n{DRAFT[:-6]}") == "final"
    assert source(f'{FINAL}\nI wrote {{"code": as you wished.') == "final"


def test_a_long_draft_with_very_many_braces_hides_no_answer() -> None:
    thoughts = 'if (x) { y = {"a": b}; }\n' * 3000
    assert source(f"<think>{DRAFT}{thoughts}</think>{FINAL}") == "final"
    assert source("void f() { g({1}); }\n" * 3000 + FINAL) == "final"


def test_a_question_is_read_by_the_same_rules() -> None:
    def question(text: str, more: str = "") -> str:
        parts = {"problem": text, "language": "python", "solution": "print(1)", "cases": ["1"]}
        return json.dumps(parts).replace('"cases"', f'{more}"cases"')

    draft, final = question("draft"), question("final", r'"principle": "\d", ')
    for reply in (f"<think>{draft}</think>{final}", f"{draft}\nNo, rather:\n{final}"):
        read = read_programming_question(reply)
        assert isinstance(read, ProgrammingQuestion)
        assert (read.text, read.principle, read.repaired) == ("final", r"\d", True)


def test_mathematics_is_read_by_the_same_rules() -> None:
    answer = read_answer(r'<think>{"answer": "1"}</think>{"solution": "\alpha", "answer": "2"}')
    assert isinstance(answer, AnswerReply)
    assert (answer.text, answer.final_answer, answer.repaired) == (r"\alpha", "2", True)
    answer = read_answer('{"answer": "1"} but no: {"solution": "a "b" c", "answer": "2"}')
    assert isinstance(answer, AnswerReply)
    assert answer.final_answer == "2"
    draft, final = '{"ranks": {"A": 1, "B": 2}}', '{"ranks": {"A": 2, "B": 1}'
    ranks = read_ranking(f"<think>{draft}</think>{final}, }}", ("A", "B"))
    assert isinstance(ranks, JudgmentReply)
    assert (ranks.values, ranks.repaired) == ({"A": 2.0, "B": 1.0}, True)


def test_scores_after_thoughts_count_though_they_have_to_be_mended() -> None:
    draft = '{"reasons": {}, "scores": {"A": 0, "B": 100}}'
    final = r'{"reasons": {"A": "uses \d well", "B": "bad"}, "scores": {"A": 100, "B": 0}}'
    read = read_scores(f"<think>first guess {draft}, but wait.</think>\n{final}", ("A", "B"))
    assert isinstance(read, JudgmentReply)
    assert (read.values, read.repaired) == ({"A": 100.0, "B": 0.0}, True)
    assert read.reasons["A"] == r"uses \d well"
