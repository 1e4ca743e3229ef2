"""Ballots: what each judge gave in each round, and top lists drawn from them."""

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations

from analysis.dataset import Dataset
from analysis.kendall import Signs, signs
from analysis.marks import received
from analysis.resampling import TIE

Order = tuple[tuple[str, float], ...]
"""Answers with their values, the best first."""


@dataclass(frozen=True, kw_only=True)
class Ballots:
    """The ballots of one round: judge -> answerer -> value, higher being better."""

    run: str
    round: int
    by_judge: Mapping[str, Mapping[str, float]]

    # Each once for a judge, where figures are of pairs of judges, whose number is the square.

    @cached_property
    def orders(self) -> Mapping[str, Order]:
        """Each judge's answers, the best first."""
        return {judge: descending(ballot) for judge, ballot in self.by_judge.items()}

    @cached_property
    def signs(self) -> Mapping[str, Signs]:
        """How each judge orders all pairs of answers."""
        names = sorted({name for ballot in self.by_judge.values() for name in ballot})
        return {judge: signs(ballot, names) for judge, ballot in self.by_judge.items()}

    @cached_property
    def shared(self) -> Mapping[tuple[str, str], int]:
        """How many answers both judges of a pair have marked, in the order of their names."""
        return {
            (one, other): len(self.by_judge[one].keys() & self.by_judge[other].keys())
            for one, other in combinations(sorted(self.by_judge), 2)
        }


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


def descending(ballot: Mapping[str, float]) -> Order:
    """Returns the answers of a ballot with their values, the best first."""
    return tuple(sorted(ballot.items(), key=lambda item: -item[1]))


def best_chances(order: Order, k: int, within: Container[str] | None = None) -> dict[str, float]:
    """Returns for each answer the chance that it is among a judge's best `k`, if it has one.

    The chance is 1 except for answers tied at the cut, who share the places that are left:
    that is the mean over all ways of breaking the tie, so no order of rows can decide it.

    Args:
        order: The judge's answers, the best first.
        k: Length of the list.
        within: The answers that the list is made of; all if `None`.
    """
    head: list[tuple[str, float]] = []
    for name, value in order:
        if within is not None and name not in within:
            continue
        if len(head) >= k and value < head[k - 1][1] - TIE:
            break
        head.append((name, value))
    chances = {}
    for name, value in head:
        better = sum(other > value + TIE for _, other in head)
        equal = sum(abs(other - value) <= TIE for _, other in head)
        if better < k:
            chances[name] = min(1.0, (k - better) / equal)
    return chances


def overlap(one: Mapping[str, float], other: Mapping[str, float], k: int) -> float:
    """Returns the expected `|top-k of one & top-k of other| / k`, ties broken apart.

    Args:
        one: The chances of answers to be among the best of one judge.
        other: Those of another.
        k: Length of the lists.
    """
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
