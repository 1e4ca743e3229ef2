"""Nasty replies: each gives a value or says why not, and none raises."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.league.league import Participant
from server.league.reading import MAX_CHARACTERS, Unreadable
from server.league.replies import (
    MAX_TEXT,
    MOST_REASON,
    AnswerReply,
    JudgmentReply,
    QuestionReply,
    names_maker,
    read_answer,
    read_question,
    read_ranking,
    read_scores,
)

LABELS = ("A", "B", "C")
GOOD = '{"ranks": {"A": 1, "B": 2, "C": 3}}'
OTHER = '{"ranks": {"A": 3, "B": 2, "C": 1}}'
IN_ORDER = {"A": 1.0, "B": 2.0, "C": 3.0}


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(GOOD, id="plain"),
        pytest.param(f"Here it is: {GOOD}. I hope that {{this}} helps!", id="prose around"),
        pytest.param(f"{GOOD}\nOnce more:\n{GOOD}", id="twice the same"),
        pytest.param(f'{GOOD}\n{{"RANKS": ["A", "B", "C"]}}', id="twice the same in two forms"),
        pytest.param(f"<think>{OTHER}</think>{GOOD} {GOOD}", id="thinking and twice the same"),
        pytest.param(f"{GOOD} {{}}", id="an empty one after it"),
        pytest.param(f'{GOOD} {{"note": 1}}', id="another one after it"),
        pytest.param(f"```json\n{GOOD}\n```", id="fence"),
        pytest.param(f"```\n{GOOD[:-1]},}}\n```", id="fence and a comma too many"),
        pytest.param(f"<think>{OTHER} or so</think>\n{GOOD}", id="thinking"),
        pytest.param(f"<think>{OTHER}</think><think>{OTHER}</think>{GOOD}", id="thinking twice"),
        pytest.param(f"﻿{GOOD}", id="byte order mark"),
        pytest.param(f"\x00{GOOD}", id="NUL before it"),
        pytest.param(f"[{GOOD}]", id="array at the top"),
        pytest.param("{'ranks': {'A': 1, 'B': 2, 'C': 3}}", id="single quotes"),
        pytest.param("{ranks: {A: 1, B: 2, C: 3}}", id="no quotes"),
        pytest.param(GOOD + "}}}", id="closed too often"),
        pytest.param('{"RANKS": {"a": 1, "b": 2, "c": 3}}', id="another case"),
        pytest.param('{" Ranks ": {" A ": 1, "Label B": 2, "answer c": 3}}', id="labels dressed"),
        pytest.param('{"ranks": {"A": "1", "B": " 2 ", "C": "+3.0"}}', id="numbers as strings"),
        pytest.param('{"ranks": {"A": 1.0, "B": 2.0, "C": 3e0}}', id="numbers with a point"),
        pytest.param('{"ranks": ["A", "B", "C"]}', id="list from best to worst"),
        pytest.param("[" * 100_000 + GOOD, id="brackets before it"),
        pytest.param(
            '{"reasons": {"A": "it says "so" twice"}, "ranks": {"A": 1, "B": 2, "C": 3}}',
            id="unescaped quotes",
        ),
    ],
)
def test_a_ranking_that_can_be_read(reply: str) -> None:
    read = read_ranking(reply, LABELS)
    assert isinstance(read, JudgmentReply), read
    assert read.values == IN_ORDER


def _ranks(inner: str) -> str:
    return f'{{"ranks": {{{inner}}}}}'


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        pytest.param("", "empty_reply", id="empty"),
        pytest.param(" \n\t ", "empty_reply", id="blank"),
        pytest.param("<think>never done</think>", "no_json", id="only thinking"),
        pytest.param("I cannot rank these.", "no_json", id="prose"),
        pytest.param("x" * 5_000_000, "too_long", id="5 MB"),
        pytest.param(GOOD + " " * 5_000_000, "too_long", id="5 MB of space"),
        pytest.param("{" * 100_000, "no_json", id="deep"),
        pytest.param('{"ranks": ' + "[" * 10_000, "json_cut", id="deep brackets"),
        pytest.param('["A", "B", "C"]', "no_json", id="bare list"),
        pytest.param("{}", "key_missing", id="empty object"),
        pytest.param('{"ranks": null}', "key_missing", id="null"),
        pytest.param('{"排名": {"A": 1, "B": 2, "C": 3}}', "key_missing", id="another language"),
        pytest.param('{"scores": {"A": 1, "B": 2, "C": 3}}', "key_missing", id="another key"),
        pytest.param('{"ranks": "A > B > C"}', "shape_wrong", id="text"),
        pytest.param('{"ranks": [1, 2, 3]}', "shape_wrong", id="bare numbers"),
        pytest.param('{"ranks": [["A", 1], ["B", 2], ["C", 3]]}', "shape_wrong", id="pairs"),
        pytest.param('{"ranks": true}', "shape_wrong", id="boolean"),
        pytest.param('{"ranks": ["A", "B"]}', "label_missing", id="short list"),
        pytest.param('{"ranks": ["A", "B", "C", "A"]}', "label_repeated", id="long list"),
        pytest.param(_ranks('"A": 1, "B": 2'), "label_missing", id="label missing"),
        pytest.param(_ranks(""), "label_missing", id="no label"),
        pytest.param(_ranks('"A": 1, "B": 2, "C": 3, "D": 4'), "label_unknown", id="unknown"),
        pytest.param(_ranks('"A": 1, "B": 2, "C": 3, "p1": 1'), "label_unknown", id="itself"),
        pytest.param(_ranks('"A": 1, "B": 2, "C": 3, "A": 1'), "label_repeated", id="same key"),
        pytest.param(_ranks('"A": 1, "B": 2, "C": 3, "a": 1'), "label_repeated", id="case"),
        pytest.param(_ranks('"A": NaN, "B": 2, "C": 3'), "value_invalid", id="NaN"),
        pytest.param(_ranks('"A": Infinity, "B": 2, "C": 3'), "value_invalid", id="Infinity"),
        pytest.param(_ranks('"A": 1e999, "B": 2, "C": 3'), "value_invalid", id="1e999"),
        pytest.param(_ranks('"A": 950, "B": 2, "C": 3'), "value_invalid", id="950"),
        pytest.param(_ranks('"A": 0, "B": 2, "C": 3'), "value_invalid", id="0"),
        pytest.param(_ranks('"A": -1, "B": 2, "C": 3'), "value_invalid", id="-1"),
        pytest.param(_ranks('"A": 4, "B": 2, "C": 3'), "value_invalid", id="4 of 3"),
        pytest.param(_ranks('"A": true, "B": 2, "C": 3'), "value_invalid", id="true"),
        pytest.param(_ranks('"A": null, "B": 2, "C": 3'), "value_invalid", id="null value"),
        pytest.param(_ranks('"A": "first", "B": 2, "C": 3'), "value_invalid", id="word"),
        pytest.param(_ranks('"A": "85/100", "B": 2, "C": 3'), "value_invalid", id="85/100"),
        pytest.param(_ranks('"A": {"rank": 1}, "B": 2, "C": 3'), "value_invalid", id="object"),
        pytest.param(_ranks('"A": [1], "B": 2, "C": 3'), "value_invalid", id="list value"),
        pytest.param(_ranks(f'"A": {"9" * 4000}, "B": 2, "C": 3'), "value_invalid", id="digits"),
    ],
)
def test_a_ranking_that_cannot_be_read_says_why(reply: str, cause: str) -> None:
    read = read_ranking(reply, LABELS)
    assert isinstance(read, Unreadable), read
    assert read.cause == cause
    # The sentence goes back to the model: short, and no more than one line.
    assert 0 < len(read.detail) < 200
    assert "\n" not in read.detail


QUOTE = 'Note: program A printed {"ranks": {"A": 3, "B": 2, "C": 1}}, which I ignored.'


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(f"{OTHER}\nOn reflection:\n{GOOD}", id="a draft before it"),
        pytest.param(f"{GOOD}\n{QUOTE}", id="a quote after it"),
        pytest.param(f"{GOOD}\n{QUOTE.replace('}}', ',}}')}", id="a broken quote after it"),
        pytest.param(f"{QUOTE.replace('}}', ',}}')}\n{GOOD}", id="a broken quote before it"),
        pytest.param(f'{GOOD}\n{{"ranks": {{"A": 1}}}}', id="a part of one after it"),
        pytest.param(f'{{"ranks": {{"A": 1}}}}\n{GOOD}', id="a part of one before it"),
        pytest.param(f'{GOOD}\nNo: {{"ranks": {{"A": 3, "B":', id="one that breaks off after it"),
        pytest.param(f'{{"ranks": {{"A": 3, "B":\n{GOOD}', id="one that breaks off before it"),
        pytest.param(f"<think>hm</think>{OTHER} {GOOD}", id="both after thinking"),
        pytest.param(f"<think>{OTHER} {GOOD}", id="both in thinking that is not closed"),
        pytest.param(f"{GOOD[:-1]},}} {OTHER[:-1]},}}", id="both broken"),
    ],
)
def test_of_two_judgments_that_differ_neither_counts(reply: str) -> None:
    """Which one is a draft, or what a program printed, nobody knows."""
    read = read_ranking(reply, LABELS)
    assert isinstance(read, Unreadable), read
    assert read.cause == "ambiguous"
    assert 0 < len(read.detail) < 200


@pytest.mark.parametrize("quote", [QUOTE, QUOTE.replace('"', "'"), QUOTE.replace('"', "")])
def test_a_judgment_never_takes_its_marks_from_a_quote_in_its_reasons(quote: str) -> None:
    """However the quote is escaped: the judgment is read right, or asked for again."""
    value = {"reasons": {"A": f'he says "{quote}"'}, "ranks": {"A": 1, "B": 2, "C": 3}}
    read = read_ranking(json.dumps(value), LABELS)
    assert isinstance(read, JudgmentReply)
    assert read.values == IN_ORDER
    read = read_ranking(json.dumps(value).replace('\\"', '"'), LABELS)
    assert isinstance(read, Unreadable) or read.values == IN_ORDER


def test_of_two_questions_or_answers_the_last_counts() -> None:
    answer = read_answer('{"answer": "17"}\nOn reflection:\n{"answer": "18"}\n{"note": "sure"}')
    assert isinstance(answer, AnswerReply)
    assert (answer.final_answer, answer.repaired) == ("18", False)
    question = read_question('{"problem": "p", "answer": "1"} {"problem": "q", "answer": "2"}')
    assert isinstance(question, QuestionReply)
    assert (question.text, question.reference_answer) == ("q", "2")


@pytest.mark.parametrize("value", [0, 100, 99.5, '"85"', "1e2"])
def test_a_score_is_a_number_from_0_to_100(value: object) -> None:
    read = read_scores(f'{{"scores": {{"A": {value}}}}}', ("A",))
    assert isinstance(read, JudgmentReply)


@pytest.mark.parametrize(
    "value", [950, -1, 100.5, "NaN", "-Infinity", '"85/100"', '"85%"', "false", "null", "[85]"]
)
def test_anything_else_is_no_score(value: object) -> None:
    read = read_scores(f'{{"scores": {{"A": {value}}}}}', ("A",))
    assert isinstance(read, Unreadable)
    assert read.cause == "value_invalid"


def test_a_list_of_labels_is_no_list_of_scores() -> None:
    read = read_scores('{"scores": ["A", "B", "C"]}', LABELS)
    assert isinstance(read, Unreadable)
    assert read.cause == "shape_wrong"


@pytest.mark.parametrize(
    ("reasons", "kept"),
    [
        ({"A": "x", "b": "y", "Label C": "z"}, {"A": "x", "B": "y", "C": "z"}),
        ({"A": "x"}, {"A": "x", "B": "", "C": ""}),
        ({"A": ["x", 1], "B": {"k": 2}, "C": None}, {"A": '["x", 1]', "B": '{"k": 2}', "C": ""}),
        ("all fine", dict.fromkeys(LABELS, "all fine")),
        (["x", "y"], dict.fromkeys(LABELS, '["x", "y"]')),
        (None, {}),
        (7, dict.fromkeys(LABELS, "7")),
        ({"A": "\ud800"}, {"A": "?", "B": "", "C": ""}),
    ],
)
def test_reasons_are_kept_whatever_their_shape(reasons: object, kept: dict[str, str]) -> None:
    read = read_ranking(json.dumps({"ranks": IN_ORDER, "reasons": reasons}), LABELS)
    assert isinstance(read, JudgmentReply)
    assert read.values == IN_ORDER
    assert read.reasons == kept


@pytest.mark.parametrize("common", [True, False])
def test_a_reason_is_cut_with_a_mark_that_says_how_much_is_left_out(*, common: bool) -> None:
    long, short = "文" * 59_000, "x" * MOST_REASON
    reasons: object = long if common else {"A": long, "B": short, "C": short + "x"}
    read = read_ranking(json.dumps({"ranks": IN_ORDER, "reasons": reasons}), LABELS)
    assert isinstance(read, JudgmentReply)
    cut = read.reasons["A"]
    kept, mark = cut.split(" [... ")
    assert set(kept) == {"文"}
    assert mark == f"{59_000 - len(kept):,} characters left out]"
    assert MOST_REASON - 2 <= len(cut) <= MOST_REASON
    if common:
        assert read.reasons == dict.fromkeys(LABELS, cut)
    else:
        assert read.reasons["B"] == short
        assert read.reasons["C"].endswith(" characters left out]")
        assert len(read.reasons["C"]) <= MOST_REASON


LATEX = (
    r"\frac{1}{2} \binom{n}{k} 3 \times 4 \nabla f \theta \rho \neq \beta \bar{x} "
    r"\text{if} \textbf{b} x \to 0 \right) a \rightarrow b \notin \tau \forall \sqrt{2} \alpha"
)


def test_latex_that_was_not_escaped_comes_back_right() -> None:
    read = read_answer(f'{{"solution": "{LATEX}", "answer": "\\binom{{4}}{{2}}"}}')
    assert isinstance(read, AnswerReply)
    assert read.text == LATEX
    assert read.final_answer == r"\binom{4}{2}"


@pytest.mark.parametrize("command", [r"\frac", r"\binom", r"\times", r"\nabla", r"\rightarrow"])
def test_latex_in_otherwise_valid_json_comes_back_right(command: str) -> None:
    read = read_answer(f'{{"answer": "{command}{{a}}"}}')
    assert isinstance(read, AnswerReply)
    assert read.final_answer == f"{command}{{a}}"


def test_latex_in_the_reasons_of_a_ranking_comes_back_right() -> None:
    read = read_ranking(
        r'{"reasons": {"A": "x \neq 1", "B": "\times", "C": ""}, ' + GOOD[1:], LABELS
    )
    assert isinstance(read, JudgmentReply)
    assert read.reasons == {"A": r"x \neq 1", "B": r"\times", "C": ""}


def test_escaped_latex_and_real_white_space_stay() -> None:
    text = LATEX + "\nnew line\tindented\r\nand tau"
    read = read_answer(json.dumps({"solution": text, "answer": "2"}))
    assert isinstance(read, AnswerReply)
    assert read.text == text


def test_a_question_keeps_all_its_parts() -> None:
    parts = {
        "principle": "p",
        "problem": "q",
        "solution": "s",
        "answer": "a",
        "marking_scheme": ["first", "second"],
    }
    assert read_question(json.dumps(parts)) == QuestionReply(
        "q", "s\n\nFinal result: a", '["first", "second"]', "p", repaired=False
    )


@pytest.mark.parametrize(
    ("parts", "cause"),
    [
        ({"problem": "", "answer": "a"}, "text_empty"),
        ({"problem": " \n", "answer": "a"}, "text_empty"),
        ({"problem": "q"}, "text_empty"),
        ({"problem": None, "answer": "a"}, "key_missing"),
        ({"answer": "a"}, "key_missing"),
        ({"problem": "q" * (MAX_TEXT + 1), "answer": "a"}, "too_long"),
        ({"problem": "q", "answer": "a", "marking_scheme": "m" * (MAX_TEXT + 1)}, "too_long"),
    ],
)
def test_a_question_without_text_or_reference_is_none(parts: object, cause: str) -> None:
    read = read_question(json.dumps(parts))
    assert isinstance(read, Unreadable)
    assert read.cause == cause


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"solution": "s", "answer": "a"}, ("s", "a")),
        ({"answer": "a"}, ("", "a")),
        ({"solution": "s"}, ("s", "")),
        ({"answer": 42}, ("", "42")),
        ({"answer": [1, 2]}, ("", "[1, 2]")),
        ({"answer": False}, ("", "false")),
    ],
)
def test_an_answer_may_lack_working_or_result(parts: object, expected: tuple[str, str]) -> None:
    read = read_answer(json.dumps(parts))
    assert isinstance(read, AnswerReply)
    assert (read.text, read.final_answer) == expected


_FRAGMENTS = st.sampled_from(
    ["{", "}", "[", "]", '"', "'", ":", ",", "\\", "\n", "```", "</think>", "//", "“", "null",
     "NaN", "1", "A", '"ranks"', '"answer"', '{"ranks":', '"A": 1', "\ud800", "\x00"]
)  # fmt: skip
_GARBAGE = st.one_of(
    st.text(max_size=300),
    st.lists(_FRAGMENTS, max_size=60).map("".join),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["A", "b", "ranks", "answer", "?"]), inner)
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps({"ranks": value, "problem": value, "answer": value})),
)


@given(_GARBAGE)
def test_no_text_raises(reply: str) -> None:
    for read in (
        read_question(reply),
        read_answer(reply),
        read_ranking(reply, LABELS),
        read_scores(reply, LABELS),
    ):
        if isinstance(read, Unreadable):
            assert read.cause
            assert read.detail
        elif isinstance(read, JudgmentReply):
            assert set(read.values) == set(LABELS)
        # What was read can be stored and sent: it is text that UTF-8 holds.
        str(read).encode()


@pytest.mark.parametrize(
    "pattern",
    ['{"a":', '{"', "{", " {", '{"a":[', '"-', "{'x", "{“a", '{"ranks":{"A":1,', "\\", "[{"],
)
def test_reading_is_quick_whatever_a_reply_repeats(pattern: str) -> None:
    reply = "{" + pattern * ((MAX_CHARACTERS - 1) // len(pattern))
    start = time.process_time()
    assert isinstance(read_ranking(reply, LABELS), Unreadable)
    # Minutes and hours before the work was bounded; about half a second now.
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("model", "family", "text", "named"),
    [
        ("gpt-4.1", "openai", "As a model by OpenAI, I say 4.", True),
        ("gpt-4.1", "", "As ChatGPT, I say 4.", True),
        ("vendor/Qwen2.5-7B", "", "I am Qwen, made by Alibaba.", True),
        ("claude-x", "", "Anthropic made me.", True),
        ("gpt-4.1", "openai", "The result is 4.", False),
        ("llama-3", "", "A llamasery has 4 walls.", False),
        ("llama-3", "meta", "A llama eats 4 meta-carrots.", False),
        ("Llama-3.1-8B", "meta", "Llama 3.1 8B says 4.", True),
        ("phi-4", "microsoft", "phi-4 is 0 for phi = 4, so phi is 4.", False),
        ("phi-4", "microsoft", "I am Phi, so 4.", True),
        ("phi-4", "microsoft", "I'm a Microsoft model.", True),
        ("phi-4-mini", "", "As phi-4-mini I say 4.", True),
        ("command-r", "cohere", "The terms cohere; at your command, 4.", False),
        ("nova-pro", "", "A nova is 4 times as bright.", False),
        ("o3-mini", "", "As ChatGPT I say 4.", True),
        ("o3-mini", "", "The group O3 and o3 are 4.", False),
        ("olmo-2", "", "Made by OpenAI.", False),
        ("some", "deepseek", "DeepSeek says 4.", True),
        ("m", "", "m", False),
    ],
)
def test_replies_that_name_their_maker_are_flagged(
    model: str, family: str, text: str, named: bool
) -> None:
    participant = Participant(id="a", provider="own", model=model, family=family)
    assert names_maker(participant, "nothing", text) is named
