"""Ballots: what each judge gave in each round, and top lists drawn from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from analysis.dataset import Dataset
from analysis.marks import received
from analysis.resampling import TIE


@dataclass(frozen=True, kw_only=True)
class Ballots:
    """The ballots of one round: judge -> answerer -> value, higher being better."""

    run: str
    round: int
    by_judge: Mapping[str, Mapping[str, float]]


def ballots(dataset: Dataset) -> tuple[Ballots, ...]:
    """Returns the ballots of every round in which a mark was received."""
    found = []
    for run, round_ in dataset.rounds():
        by_judge: dict[str, dict[str, float]] = {}
        for item in received(run, round_):
            by_judge.setdefault(item.judge, {})[item.mark.answerer] = item.value
        if by_judge:
            found.append(Ballots(run=run.id, round=round_.index, by_judge=by_judge))
    return tuple(found)


def top_chances(ballot: Mapping[str, float], k: int) -> dict[str, float]:
    """Returns for each answer the chance that it is among the judge's best `k`.

    The chance is 1 or 0 except for answers tied at the cut, who share the places that
    are left: that is the mean over all ways of breaking the tie, so no order of rows can
    decide it.
    """
    chances = {}
    for name, value in ballot.items():
        better = sum(other > value + TIE for other in ballot.values())
        equal = sum(abs(other - value) <= TIE for other in ballot.values())
        chances[name] = min(1.0, max(0.0, (k - better) / equal))
    return chances


def overlap(first: Mapping[str, float], second: Mapping[str, float], k: int) -> float:
    """Returns the expected `|top-k of first & top-k of second| / k`, ties broken apart."""
    one, other = top_chances(first, k), top_chances(second, k)
    return math.fsum(chance * other.get(name, 0.0) for name, chance in one.items()) / k


@lru_cache(maxsize=4096)
def pair_chance(common: int, own_first: int, own_second: int, k: int) -> float:
    """Returns the overlap that two judges with random lists have on average.

    Args:
        common: Answers that both judged.
        own_first: Answers that only the first judged.
        own_second: Answers that only the second judged.
        k: Length of the top lists.
    """
    return common * k / ((common + own_first) * (common + own_second))


@lru_cache(maxsize=4096)
def pair_ceiling(common: int, own_first: int, own_second: int, k: int) -> float:
    """Returns the overlap of two judges who share one random order of all answers.

    For the answer in place `r` among the common ones, `a` and `b` answers that only one
    of the judges saw stand above it. It is in both lists when `r + a <= k` and
    `r + b <= k`; the arrangements with given `r`, `a`, `b` are counted by multinomials.
    """
    all_orders = _arrangements(common, own_first, own_second)
    good = 0
    for r in range(1, min(common, k) + 1):
        for a in range(min(own_first, k - r) + 1):
            for b in range(min(own_second, k - r) + 1):
                above = _arrangements(r - 1, a, b)
                good += above * _arrangements(common - r, own_first - a, own_second - b)
    return good / all_orders / k


def _arrangements(*sizes: int) -> int:
    """Returns the number of ways to arrange groups of alike things in a row."""
    ways = math.factorial(sum(sizes))
    for size in sizes:
        ways //= math.factorial(size)
    return ways
