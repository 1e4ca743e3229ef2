"""Agreement of judges: closed formulas, known values, ties and holes."""

import csv
import math
import random
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.agreement import (
    agreement,
    ceiling_level,
    chance_level,
    top_agreement,
)
from analysis.ballots import Ballots, best_chances, descending, overlap, pair_ceiling
from analysis.kendall import counts_of, pair_counts, signs
from tests.support.datasets import Holes, Recipe, league

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(
    ("k", "chance", "ceiling"),
    [(2, 0.2798, 0.7679), (3, 0.4196, 0.7857), (4, 0.5595, 0.8036)],
)
def test_published_chance_and_ceiling(k: int, chance: float, ceiling: float) -> None:
    assert chance_level(8, k) == pytest.approx(chance, abs=5e-5)
    assert ceiling_level(8, k) == pytest.approx(ceiling, abs=5e-5)


def test_published_overlaps_rescale_as_documented() -> None:
    with (GOLDEN / "math_topk_agreement.csv").open(encoding="utf-8", newline="") as file:
        average = {
            int(line["k"]): float(line["mean_pairwise_overlap"])
            for line in csv.DictReader(file)
            if line["experiment"] == "Average"
        }
    for k, corrected in ((2, 0.585), (3, 0.665), (4, 0.774)):
        chance, ceiling = chance_level(8, k), ceiling_level(8, k)
        assert (average[k] - chance) / (ceiling - chance) == pytest.approx(corrected, abs=6e-4)


def test_unanimous_judges_reach_the_ceiling_and_no_more() -> None:
    found = agreement(league(Recipe(n=8)))
    assert [top.k for top in found.tops] == [1, 2, 3, 4]
    for top in found.tops:
        assert top.published.value == pytest.approx(ceiling_level(8, top.k))
        assert top.published.ceiling == pytest.approx(ceiling_level(8, top.k))
        assert top.published.chance == pytest.approx(chance_level(8, top.k))
        assert top.published.corrected == pytest.approx(1)
        assert top.published.comparisons == 8 * 28
        assert top.common.value == pytest.approx(1)
    assert found.tau == pytest.approx(1)


def test_random_judges_stay_near_chance() -> None:
    names = [f"m{i}" for i in range(8)]
    level = Recipe(names=names, abilities=dict.fromkeys(names, 0.5), noise=1, cycles=12)
    found = agreement(league(level))
    for top in found.tops:
        assert top.published.corrected == pytest.approx(0, abs=0.05)
        assert top.common.corrected == pytest.approx(0, abs=0.05)
    assert found.tau == pytest.approx(0, abs=0.05)


def test_ceiling_of_a_pair_by_counting() -> None:
    common, own_first, own_second, k = 3, 2, 1, 2
    items = ["c0", "c1", "c2", "f0", "f1", "s0"]
    total = 0
    for order in permutations(items):
        first = [item for item in order if item[0] in "cf"][:k]
        second = [item for item in order if item[0] in "cs"][:k]
        total += len(set(first) & set(second))
    expected = total / math.factorial(len(items)) / k
    assert pair_ceiling(common, own_first, own_second, k) == pytest.approx(expected)


def test_ties_at_the_cut_share_the_places() -> None:
    ballot = {"a": 90.0, "b": 80.0, "c": 80.0, "d": 80.0, "e": 10.0}
    assert tops(ballot, 2) == pytest.approx({"a": 1, "b": 1 / 3, "c": 1 / 3, "d": 1 / 3})
    tied = tops(dict.fromkeys("abcd", 50.0), 2)
    # All tied: no more in common than two random pairs of four.
    assert overlap(tied, tied, 2) == pytest.approx(0.5)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), min_size=2),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), min_size=2),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_overlap_has_no_order_of_rows(
    first: dict[str, int], second: dict[str, int], k: int, generator: random.Random
) -> None:
    one = {name: float(value) for name, value in first.items()}
    two = {name: float(value) for name, value in second.items()}
    mixed = dict(generator.sample(list(one.items()), len(one)))
    value = overlap(tops(one, k), tops(two, k), k)
    assert 0 <= value <= 1 + 1e-12
    assert overlap(tops(mixed, k), tops(two, k), k) == pytest.approx(value)
    assert overlap(tops(two, k), tops(one, k), k) == pytest.approx(value)
    assert sum(tops(one, k).values()) == pytest.approx(min(k, len(one)))
    # As its definition has it, on all answers and on those that both have.
    for within in (one.keys(), two.keys()):
        ballot = {name: value for name, value in one.items() if name in within}
        defined = {
            name: (k - sum(o > value for o in ballot.values()))
            / sum(o == value for o in ballot.values())
            for name, value in ballot.items()
        }
        expected = {name: min(1.0, chance) for name, chance in defined.items() if chance > 0}
        assert best_chances(descending(one), k, within) == pytest.approx(expected)


def tops(ballot: dict[str, float], k: int) -> dict[str, float]:
    return best_chances(descending(ballot), k)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3)),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3)),
)
def test_pairs_are_counted_alike_one_by_one_and_all_at_once(
    first: dict[str, int], second: dict[str, int]
) -> None:
    shared = sorted(first.keys() & second.keys())
    one_by_one = pair_counts([first[name] for name in shared], [second[name] for name in shared])
    assert counts_of(signs(first, "fedcba"), signs(second, "fedcba")) == one_by_one


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([12, 2, 1, 12, 2], [1, 4, 7, 1, 0], -0.47140452079103173),
        ([1, 2, 3], [1, 3, 2], 1 / 3),
        ([1, 1, 2], [1, 2, 3], 2 / math.sqrt(6)),
        ([1, 1], [1, 2], None),
        ([1], [1], None),
    ],
)
def test_kendall_tau_b(first: list[float], second: list[float], tau: float | None) -> None:
    assert pair_counts(first, second).tau_b == (None if tau is None else pytest.approx(tau))


def test_only_what_was_received_counts() -> None:
    holes = Holes(judgments=[(1, "model-a"), (2, "model-b")], answers=[(3, "model-c")], void=[4])
    found = agreement(league(Recipe(n=5, holes=holes)))
    whole = agreement(league(Recipe(n=5)))
    assert found.tau_comparisons < whole.tau_comparisons
    for top in found.tops:
        assert top.common.value == pytest.approx(1)
        assert top.published.value is not None
        assert top.published.ceiling is not None
        # The order is the same everywhere, but one order is no mean over all orders.
        assert 0 < top.published.value <= 1


def test_nothing_to_compare() -> None:
    for dataset in (league(Recipe(n=3)), league(Recipe(n=4, holes=Holes(void=[1, 2, 3, 4])))):
        found = agreement(dataset)
        assert found.tau is None
        assert all(top.published.value is None for top in found.tops)
        assert all(pair.tau is None for pair in found.pairs)


def test_a_short_list_has_no_top_k() -> None:
    short = Ballots(run="1", round=1, by_judge={"x": {"a": 1.0, "b": 2.0}, "y": {"a": 1.0}})
    top = top_agreement([short], 2)
    assert top.published.comparisons == 0
    assert top.published.corrected is None


def test_pairs_are_complete_and_symmetric() -> None:
    found = agreement(league(Recipe(n=5, noise=0.2)))
    assert len(found.pairs) == 10
    assert all(pair.tau is not None and -1 <= pair.tau <= 1 for pair in found.pairs)
