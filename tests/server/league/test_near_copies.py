"""Near-copies of earlier questions: told from different questions on the same topic."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.league import near_copies
from server.league.near_copies import THRESHOLD, NearCopies, similarity
from tests.support.question_pairs import COPIES, DIFFERENT

LONGEST = 60_000


def near_copy(text: str, earlier: Mapping[int, str]) -> int | None:
    """Returns the round of the earlier question that a question nearly copies."""
    copies = NearCopies()
    for index, other in earlier.items():
        copies.take(index, other)
    return copies.take_unless_copy(1000, text)


@pytest.mark.parametrize("pair", COPIES.values(), ids=COPIES)
def test_a_near_copy_is_found_whichever_was_first(pair: tuple[str, str]) -> None:
    one, other = pair
    assert near_copy(one, {3: other}) == 3
    assert near_copy(other, {3: one}) == 3


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_another_problem_of_the_same_topic_is_none(pair: tuple[str, str]) -> None:
    one, other = pair
    assert near_copy(one, {3: other}) is None
    assert near_copy(other, {3: one}) is None


def test_the_threshold_is_well_inside_the_gap_between_copies_and_others() -> None:
    copies = min(similarity(*pair) for pair in COPIES.values())
    others = max(similarity(*pair) for pair in DIFFERENT.values())
    assert others + 0.1 < THRESHOLD < copies - 0.1


def test_questions_of_different_pairs_are_all_different() -> None:
    firsts = list(dict.fromkeys(pair[0] for pair in (*COPIES.values(), *DIFFERENT.values())))
    distinct: dict[int, str] = {}
    for index, text in enumerate(firsts):
        if near_copy(text, distinct) is None:
            distinct[index] = text
    # Only "naïve" brackets nearly copy the other brackets.
    assert len(distinct) == len(firsts) - 1


def test_the_most_similar_one_is_named_and_the_first_of_equals() -> None:
    one, other = COPIES["other story words"]
    assert near_copy(one, {9: other, 7: one, 2: other, 4: one}) == 4


@given(st.text())
def test_any_text_with_words_copies_itself(text: str) -> None:
    has_words = similarity(text, text) == 1
    assert near_copy(text, {1: text}) == (1 if has_words else None)
    assert has_words or not any(c.isascii() and c.isalpha() for c in text)


@given(st.text(max_size=200), st.text(max_size=200))
def test_similarity_is_symmetric_and_between_0_and_1(one: str, other: str) -> None:
    assert similarity(one, other) == similarity(other, one)
    assert 0 <= similarity(one, other) <= 1


def test_accents_width_and_case_make_no_difference() -> None:
    assert similarity("Na\u00efve caf\u00e9 \uff21\uff22", "naive CAFE\u0301 ab") == 1


def test_nothing_is_a_copy_of_nothing() -> None:
    assert near_copy("", {1: "", 2: "?!"}) is None
    assert near_copy("Print n integers.", {}) is None
    # Of nothing but words of the format, those count.
    assert near_copy("Print n integers.", {1: "print N integers"}) == 1
    assert near_copy("Print n integers.", {1: "Read one line."}) is None


@pytest.mark.parametrize(
    "text",
    [
        "word " * (LONGEST // 5),
        "".join(f"w{n}x " for n in range(LONGEST // 8)),
        "x" * LONGEST,
        "1" * LONGEST,
        "\u6f22" * LONGEST,
        # Composing these as a whole would take seconds.
        "a" + "\u0301\u0323" * (LONGEST // 2),
        "\ufdfa" * LONGEST,
        " " * LONGEST,
        "_" * LONGEST,
        "\ud800" * LONGEST,
    ],
    ids=["one word", "many words", "long word", "number", "han", "accents", "ligatures", "space",
         "underscores", "surrogates"],
)  # fmt: skip
def test_the_longest_texts_are_compared(text: str) -> None:
    assert near_copy(text, {1: text}) in (1, None)
    assert near_copy(text, {1: COPIES["other names"][0]}) is None


def test_each_question_is_taken_apart_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken_apart: list[str] = []
    shingles = near_copies._shingles

    def counted(text: str) -> frozenset[str]:
        taken_apart.append(text)
        return shingles(text)

    monkeypatch.setattr(near_copies, "_shingles", counted)
    copies = NearCopies()
    texts = [one for one, _ in DIFFERENT.values()]
    for index, text in enumerate(texts):
        copies.take_unless_copy(index, text)
    assert taken_apart == texts


def test_a_copy_is_not_taken_and_a_question_replaces_that_of_its_round() -> None:
    one, copy = COPIES["other names"]
    another = DIFFERENT[next(iter(DIFFERENT))][0]
    copies = NearCopies()
    assert copies.take_unless_copy(1, one) is None
    assert copies.take_unless_copy(1, copy) is None
    assert copies.take_unless_copy(2, one) == 1
    copies.take(1, another)
    assert copies.take_unless_copy(3, one) is None
