r"""Mending closes what broke off and leaves out what it cannot place: neither counts."""

# ruff: noqa: RUF001 - quotation marks and digits of people, too

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.league.mending import MAX_CHARACTERS, mend
from server.league.programming_replies import read_program, read_programming_question
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
from server.league.wholeness import whole_objects

LABELS = ("A", "B")
JUDGMENT = '{"reasons": {"A": "good, {1}", "B": "fine"}, "scores": {"A": 90, "B": 85}}'
ANSWER = '{"solution": "Let S = {1, 2}; then f{x} "is" {y}.", "answer": "{12}"}'
QUESTION = (
    '{"principle": "p", "problem": "Let "S" = {1,2,...,n}.", "solution": "We have {a} and {b}.",'
    ' "answer": "12", "marking_scheme": "all of {it}"}'
)
PROGRAM = (
    '{"approach": "a map {} of \\d, not "sets"", "language": "python",'
    ' "code": "d = {}\\nprint(d, {1: {2}})"}'
)
PROGRAMMING_QUESTION = (
    '{"principle": "p", "problem": "Print "n" in {braces}.", "language": "python",'
    ' "solution": "print({1})", "cases": [{"input": "1", "output": "1"},'
    ' {"input": "25", "output": "25"}], "checker": "exact"}'
)
ALL = (JUDGMENT, ANSWER, QUESTION, PROGRAM, PROGRAMMING_QUESTION)


def readings(reply: str) -> list[object]:
    return [
        read_question(reply),
        read_answer(reply),
        read_ranking(reply, LABELS),
        read_scores(reply, LABELS),
        read_program(reply),
        read_programming_question(reply),
    ]


def assert_asked_again(read: object, *causes: str) -> None:
    assert isinstance(read, Unreadable), read
    assert read.cause in causes
    assert 0 < len(read.detail) < 200


# The library fails an assertion of its own on the first two, and what it raises is not told.
@pytest.mark.parametrize("reply", ['{m:A"\\"```json{```}', "{”```json:1```json.}", "{" * 5000])
def test_what_the_library_raises_means_that_it_cannot_mend(reply: str) -> None:
    assert mend(reply) is None
    assert all(isinstance(read, Unreadable) for read in readings(reply))


def test_memory_that_runs_out_is_no_matter_of_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_args: object, **_more: object) -> object:
        raise MemoryError

    monkeypatch.setattr("server.league.mending.repair_json", fails)
    with pytest.raises(MemoryError):
        mend("{a}")


NASTY = st.sampled_from(
    ["{", "}", "[", "]", '"', "'", ":", ",", "\\", "\n", " ", "\t", "\x00", "\ud800", "é", "：",
     "a", "A", "1", "-", ".", "e", "```", "```json", "//", "/*", "*/", "#", "“", "”", "‘", "`",
     "\\u", "\\u12", '\\"', "\\n", "null", "true", "NaN", "1e999", "...", "(", ")", "<", ">",
     '{"ranks":', '"scores"', '"answer": "x"', '"problem":', '"code": "', '{"A": 1', "<think>",
     "</think>", '"""', "中"]
)  # fmt: skip
NASTY_TEXTS = st.lists(NASTY, max_size=40).map("".join)


@given(NASTY_TEXTS)
def test_no_reply_raises_whatever_it_is_made_of(text: str) -> None:
    for reply in (
        text,
        f"{{{text}}}",
        f'{{"answer": "{text}", "scores": {{"A": 1, "B": {text}}}}}',
    ):
        for read in readings(reply):
            str(read).encode()


@given(st.lists(NASTY, min_size=1, max_size=4).map("".join))
def test_what_is_whole_is_told_in_a_bounded_time(pattern: str) -> None:
    text = "{" + pattern * (MAX_CHARACTERS // len(pattern))
    start = time.process_time()
    whole_objects(text)
    # Minutes for work that grows with the square; a tenth of a second as it is.
    assert time.process_time() - start < 5


@pytest.mark.parametrize("depth", range(850, 1010, 5))
def test_a_reply_may_be_nested_as_deep_as_it_likes(depth: int) -> None:
    for inner in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        for reply in (f'{{"answer": {inner}}}', f'{{"answer": {inner},}}'):
            readings(reply)


@pytest.mark.parametrize(
    "reply",
    [
        '{"reasons":{"A":"good","B":"fine"},"scores":{"A":90,"B":8',
        '```json\n{"reasons": {"A": "uses {}", "B": "fine"}, "scores": {"A": 90, "B": 8\n```',
        '{"scores": {"A": 90, "B": 85}, "reasons": {"A": "x", "B": "on second thou',
        '{"scores": {"A": 90, "B": 85}, "reasons": {"A": "x"}',
        '{"scores": {"A": 90, "B": 85}',
        '{"reasons": {"A": "he wrote {"scores": {"A": 100, "B": 0}} ha", "B": "y"}, "scores": {"A',
        '{"reasons": {"A": "he wrote {"scores": {"A": 100, "B": 0}} ha", "B": "y',
        '{"reasons": "x", "result": {"scores": {"A": 90, "B": 85}}, "note": "but',
    ],
)
def test_a_judgment_that_breaks_off_is_none(reply: str) -> None:
    assert_asked_again(read_scores(reply, LABELS), "json_cut", "ambiguous")


@pytest.mark.parametrize(
    "reply",
    [
        '{"solution": "Let S = {1, 2}. Then we find that the sum of all',
        '{"solution": "Let S = {1, 2}.", "answer": "1',
        '{"solution": "Let S = {1, 2}.", "answer": 1',
        '{"solution": "he wrote {"a": "x"} and so',
        '{"solution": "f({"x"}) is }so',
        '{"solution": "s", "result": {"answer": "1"}, "note": "but',
        '{"answer": "a 5" stick {c}',
        r'{"answer": "a "5" \frac{1}{x^{2}}',
    ],
)
def test_an_answer_that_breaks_off_is_none(reply: str) -> None:
    assert_asked_again(read_answer(reply), "json_cut")


def test_a_question_or_a_program_that_breaks_off_is_none() -> None:
    question = '{"principle":"p","problem":"Let S = {1,2,...,n}. Find","solution":"We have {a} and'
    assert_asked_again(read_question(question), "json_cut")
    program = '{"approach": "a map {}", "language": "python", "code": "d = {}"'
    assert_asked_again(read_program(program), "json_cut")
    draft = '```python\nprint("draft")\n```\nNo, rather: {"language": "python", "code": "import '
    assert_asked_again(read_program(draft), "json_cut")


@pytest.mark.parametrize("fence", ["", "\n```"])
@pytest.mark.parametrize("whole", ALL)
def test_wherever_a_reply_breaks_off_it_is_none(whole: str, fence: str) -> None:
    start = "```json\n" if fence else ""
    for end in range(len(whole)):
        for read in readings(f"{start}{whole[:end]}{fence}"):
            assert isinstance(read, Unreadable), (end, read)
            assert read.cause not in ("no_json", "json_broken") or end < 2


@pytest.mark.parametrize("whole", [JUDGMENT, ANSWER, QUESTION])
@pytest.mark.parametrize("after", ["", "\n```", '\nI hope that {this} "helps"; it\'s all.'])
def test_the_usual_faults_are_mended(whole: str, after: str) -> None:
    before = "```json\n" if "`" in after else "Here, for {n}, it is.\n"
    comment = whole.replace('", "', '", // a remark\n "').replace("90,", "90, /* good */")
    for broken in (
        whole[:-1] + ",}",
        whole.replace('", "', '" "'),
        whole.replace('"A":', "A:").replace('"answer":', "answer:")[:-1] + ",}",
        whole.replace("90, ", "90 ")[:-1] + ",}",
        comment[:-1] + ",}",
    ):
        reply = before + broken + after
        if whole is JUDGMENT:
            judged = read_scores(reply, LABELS)
            assert isinstance(judged, JudgmentReply), (reply, judged)
            assert judged.values == {"A": 90.0, "B": 85.0}
            assert judged.reasons == {"A": "good, {1}", "B": "fine"}
        elif whole is ANSWER:
            answer = read_answer(reply)
            assert isinstance(answer, AnswerReply), (reply, answer)
            assert answer.text == 'Let S = {1, 2}; then f{x} "is" {y}.'
            assert answer.final_answer == "{12}"
        else:
            question = read_question(reply)
            assert isinstance(question, QuestionReply), (reply, question)
            assert question.text == 'Let "S" = {1,2,...,n}.'
            assert question.reference_answer == "We have {a} and {b}.\n\nFinal result: 12"


@pytest.mark.parametrize(
    "value",
    ["8 or 9", "8:5", '"8"5', '8"5"', "85, 90", "8 5", "8\n5", "8_5", "85 (good)", "85%", "~85",
     "85 out of 100", "8５", "5 6 7", "85; 90", "'8'5", "8[5]", "8{5}", '8 {"x": 5}', "085", "8 -"]
)  # fmt: skip
def test_a_number_that_mending_would_change_is_none(value: str) -> None:
    reply = f'{{"reasons": {{"A": "x", "B": "y"}}, "scores": {{"A": {value}, "B": 70}}}}'
    read = read_scores(reply, LABELS)
    assert isinstance(read, Unreadable), read
    assert 0 < len(read.detail) < 200
    answer = read_answer(f'{{"solution": "a "b" c", "answer": {value}}}')
    assert isinstance(answer, Unreadable), answer


@given(st.integers(0, 100), NASTY_TEXTS)
def test_a_mark_is_what_stands_there(mark: int, more: str) -> None:
    """Whatever stands beside a number: the judgment has another reason, or is asked for again."""
    read = read_scores(f'{{"scores": {{"A": {mark}{more}, "B": 70,}}}}', LABELS)
    if isinstance(read, JudgmentReply) and read.values["A"] != mark:
        written = json.dumps(read.values["A"]).removesuffix(".0")
        assert f"{mark}{more}".lstrip().startswith(written)


def test_a_text_that_is_too_long_to_be_mended_as_a_whole_did_not_break_off() -> None:
    long = "x" * MAX_CHARACTERS
    reply = f'{{"solution": "a "b" {{c}} {long}", "answer": "1"}}'
    assert_asked_again(read_answer(reply), "json_broken")
