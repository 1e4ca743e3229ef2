"""Labels and orders: neutral, independent, the same everywhere."""

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import combinations, count, islice
from operator import attrgetter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from server.league.display import letters, shown_to
from server.league.league import Identity, League, Order
from server.league.schedule import judged_by, setter_of
from tests.support.leagues import leagues, record_league

PROJECT = Path(__file__).resolve().parents[3]

_DISPLAYS = """
import json
from server.league.display import shown_to
from server.league.schedule import judged_by
from tests.support.leagues import record_league
league = record_league(8, seed=20, rounds_per_participant=2)
print(json.dumps([
    [[item.answerer, item.label, item.position]
     for item in shown_to(league, index, judge, judged_by(league, index, judge))]
    for index in range(1, league.rounds + 1) for judge in league.judge_ids
]))
"""


def _displays(league: League) -> list[tuple[tuple[str, str], ...]]:
    """Returns what each judge of each round sees: answerer and label, in order."""
    return [
        tuple(
            (item.answerer, item.label)
            for item in shown_to(league, index, judge, judged_by(league, index, judge))
        )
        for index in range(1, league.rounds + 1)
        for judge in league.judge_ids
    ]


@given(leagues(identity=Identity.BLIND), st.integers(1, 3), st.data())
def test_labels_are_a_permutation_of_neutral_ones(
    league: League, index: int, data: st.DataObject
) -> None:
    judge = data.draw(st.sampled_from(league.ids))
    there = data.draw(
        st.lists(st.sampled_from(league.ids), unique=True).map(
            lambda drawn: [i for i in judged_by(league, index, judge) if i in drawn]
        )
    )
    shown = shown_to(league, index, judge, there)
    assert sorted(item.answerer for item in shown) == sorted(there)
    assert {item.label for item in shown} == set(islice(map(letters, count()), len(there)))
    assert [item.position for item in shown] == list(range(1, len(there) + 1))
    assert judge not in {item.answerer for item in shown}


@given(st.integers(0, 5000))
def test_letters_are_those_of_a_spreadsheet(number: int) -> None:
    label = letters(number)
    assert label.isascii()
    assert label.isupper()
    value = 0
    for letter in label:
        value = value * 26 + ord(letter) - ord("A") + 1
    assert value - 1 == number


@given(leagues(identity=Identity.NAMED))
def test_named_answers_carry_their_authors_id(league: League) -> None:
    for display in _displays(league):
        assert all(answerer == label for answerer, label in display)


@given(leagues(order=Order.FIXED))
def test_a_fixed_order_is_that_of_the_league(league: League) -> None:
    for display in _displays(league):
        places = [league.ids.index(answerer) for answerer, _ in display]
        assert places == sorted(places)


def test_in_a_fixed_order_labels_are_drawn_all_the_same() -> None:
    fixed = _displays(record_league(8, seed=3, order=Order.FIXED))
    shuffled = _displays(record_league(8, seed=3))
    labels = [[label for _, label in display] for display in fixed]
    assert sum(row != sorted(row) for row in labels) > 0.9 * len(labels)
    # And they are those of the shuffled order: the order tells nothing of them.
    assert [dict(display) for display in fixed] == [dict(display) for display in shuffled]


def test_another_process_with_other_hashes_shows_the_same() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", _DISPLAYS],
            cwd=PROJECT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    here = record_league(8, seed=20, rounds_per_participant=2)
    there = [[tuple(row[:2]) for row in display] for display in json.loads(outputs[0])]
    assert there == [list(display) for display in _displays(here)]


def test_judges_rounds_and_seeds_have_displays_of_their_own() -> None:
    league = record_league(8, seed=5, rounds_per_participant=3)
    orders = Counter(tuple(a for a, _ in display) for display in _displays(league))
    labels = Counter(tuple(sorted(display)) for display in _displays(league))
    # 192 displays of 6 or 7 answers: 720 or 5040 orders of each of many sets.
    assert max(orders.values()) <= 2
    assert max(labels.values()) <= 2
    assert _displays(league) != _displays(record_league(8, seed=6, rounds_per_participant=3))


def test_two_judges_of_a_round_share_no_order_of_what_both_see() -> None:
    league = record_league(8, seed=5, rounds_per_participant=3)
    same_order = same_labels = pairs = 0
    for index in range(1, league.rounds + 1):
        views = [
            shown_to(league, index, judge, judged_by(league, index, judge))
            for judge in league.judge_ids
        ]
        for one, other in combinations(views, 2):
            both = {item.answerer for item in one} & {item.answerer for item in other}
            pairs += 1
            for_order, for_labels = (
                [[i.answerer for i in sorted(view, key=key) if i.answerer in both]
                 for view in (one, other)]
                for key in (attrgetter("position"), attrgetter("label"))
            )  # fmt: skip
            same_order += for_order[0] == for_order[1]
            same_labels += for_labels[0] == for_labels[1]
    # Five or six answers have 120 or 720 orders: chance makes a few of 672 agree.
    assert pairs == 24 * 28
    assert same_order < 0.03 * pairs
    assert same_labels < 0.03 * pairs


def test_neither_label_nor_position_tells_the_author_or_each_other() -> None:
    """Counts over many rounds stay within what chance allows (seeds are fixed)."""
    author_label: Counter[tuple[str, str]] = Counter()
    author_position: Counter[tuple[str, str]] = Counter()
    label_position: Counter[tuple[str, str]] = Counter()
    league = record_league(5, seed=11, rounds_per_participant=100)
    for index in range(1, league.rounds + 1):
        judge = setter_of(league, index)
        for item in shown_to(league, index, judge, judged_by(league, index, judge)):
            author_label[item.answerer, item.label] += 1
            author_position[item.answerer, str(item.position)] += 1
            label_position[item.label, str(item.position)] += 1
    # 99.9 % points of chi squared with 12 and 9 degrees of freedom.
    assert _chi_squared(author_label) < 32.9
    assert _chi_squared(author_position) < 32.9
    assert _chi_squared(label_position) < 27.9


def _chi_squared(counts: Counter[tuple[str, str]]) -> float:
    """Returns how far counts are from independence of their two parts."""
    rows: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    for (row, column), number in counts.items():
        rows[row] += number
        columns[column] += number
    total = counts.total()
    return sum(
        (counts[row, column] - rows[row] * columns[column] / total) ** 2
        / (rows[row] * columns[column] / total)
        for row in rows
        for column in columns
    )
