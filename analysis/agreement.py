"""How far judges agree: top-k overlap with its chance level and ceiling, and Kendall's tau-b.

A judge has no mark of its own answer, so it can never be in the judge's top list: with
that rule the published overlap cannot reach 1, and chance alone gives more than it seems
to. Each figure therefore stands beside its chance level and ceiling.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from analysis.ballots import (
    Ballots,
    ballots,
    best_chances,
    overlap,
    pair_ceiling,
    pair_chance,
)
from analysis.dataset import Dataset
from analysis.kendall import counts_of
from analysis.marks import mean
from analysis.resampling import TIE

PUBLISHED_KS = (1, 2, 3, 4)


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """A mean overlap of top lists.

    Attributes:
        value: Mean overlap, 0..1; `None` without a comparison.
        chance: What random lists of the same candidates give.
        ceiling: What judges who share one order give.
        comparisons: Pairs of judges compared, over all rounds.
        rounds: Rounds with at least one comparison.
    """

    value: float | None
    chance: float | None
    ceiling: float | None
    comparisons: int
    rounds: int

    @property
    def corrected(self) -> float | None:
        """`(value - chance) / (ceiling - chance)`: 0 for chance, 1 for full agreement."""
        if self.value is None or self.chance is None or self.ceiling is None:
            return None
        room = self.ceiling - self.chance
        return (self.value - self.chance) / room if room > TIE else None


@dataclass(frozen=True, kw_only=True)
class TopAgreement:
    """Agreement on the best `k`.

    Attributes:
        k: Length of the lists.
        published: Over all answers that each judge marked, as published.
        common: Each pair of judges restricted to the answers that both marked.
    """

    k: int
    published: Overlap
    common: Overlap


@dataclass(frozen=True, kw_only=True)
class PairAgreement:
    """How two judges agree over all rounds.

    Attributes:
        first: The judge who comes first in league order.
        second: The other.
        k: Length of the top lists.
        overlap: Mean overlap over rounds, restricted to the answers that both marked.
        chance: Its chance level; the ceiling is 1.
        overlap_rounds: Rounds behind it.
        tau: Mean over rounds of Kendall's tau-b on the answers that both marked.
        tau_rounds: Rounds in which tau-b is defined.
    """

    first: str
    second: str
    k: int
    overlap: float | None
    chance: float | None
    overlap_rounds: int
    tau: float | None
    tau_rounds: int


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement of the judges of a dataset.

    Attributes:
        judges: All judges, in league order.
        tops: One entry for each k.
        pairs: One entry for each unordered pair of judges.
        tau: Mean of tau-b over pairs, rounds and runs.
        tau_comparisons: Comparisons behind it.
    """

    judges: tuple[str, ...]
    tops: tuple[TopAgreement, ...]
    pairs: tuple[PairAgreement, ...]
    tau: float | None
    tau_comparisons: int


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """One figure of one pair of judges in one round."""

    run: str
    round: int
    value: float
    chance: float = 0.0
    ceiling: float = 1.0


def chance_level(n: int, k: int) -> float:
    """Returns the chance level of the published overlap with complete data.

    Of the C(n, 2) pairs of judges, n - 1 hold the setter, who saw n - 1 answers where
    the others saw n - 2. Source: closed formula of METHOD, section 3.

    Args:
        n: Participants, all judging.
        k: Length of the lists, at most n - 2.
    """
    return _complete(n, pair_chance(n - 2, 1, 0, k), pair_chance(n - 3, 1, 1, k))


def ceiling_level(n: int, k: int) -> float:
    """Returns the published overlap of unanimous judges with complete data.

    It is below 1 because a judge's own answer leaves a gap that another answer fills.
    Arguments as in `chance_level`.
    """
    return _complete(n, pair_ceiling(n - 2, 1, 0, k), pair_ceiling(n - 3, 1, 1, k))


def _complete(n: int, with_setter: float, without: float) -> float:
    """Averages over the pairs of judges of a complete round."""
    return ((n - 1) * with_setter + math.comb(n - 1, 2) * without) / math.comb(n, 2)


def informative_ks(n: int) -> tuple[int, ...]:
    """Returns the published lengths at which lists of `n` participants can differ."""
    return tuple(k for k in PUBLISHED_KS if k <= n - 3)


def agreement(dataset: Dataset, *, ks: Sequence[int] = (), pair_k: int = 0) -> Agreement:
    """Measures how far the judges of a dataset agree.

    Args:
        dataset: The runs to read together.
        ks: Lengths of top lists; by default those that can differ.
        pair_k: Length for single pairs of judges; by default about half a list.
    """
    cast = ballots(dataset)
    judges = tuple(dict.fromkeys(judge for run in dataset.runs for judge in run.judges))
    n = max(len(run.participants) for run in dataset.runs)
    taus = _taus(cast, judges)
    return Agreement(
        judges=judges,
        tops=tuple(top_agreement(cast, k) for k in ks or informative_ks(n)),
        pairs=_pairs(cast, judges, pair_k or max(1, min(3, (n - 2) // 2)), taus),
        tau=_nested_mean([c for found in taus.values() for c in found], "value"),
        tau_comparisons=sum(len(found) for found in taus.values()),
    )


def top_agreement(cast: Iterable[Ballots], k: int) -> TopAgreement:
    """Returns the overlap of top-k lists over ballots.

    Means are over pairs of judges, then rounds, then runs, as published. A judge who
    marked fewer than `k` answers has no top-k list and is not compared; on common answers
    a pair needs more than `k`, since with exactly `k` both lists are everything.
    """
    published, common = [], []
    for round_ in cast:
        tops = {judge: best_chances(order, k) for judge, order in round_.orders.items()}
        for (one, other), shared in round_.shared.items():
            first, second = len(round_.by_judge[one]), len(round_.by_judge[other])
            if min(first, second) >= k:
                sizes = (shared, first - shared, second - shared)
                published.append(
                    _Comparison(
                        run=round_.run,
                        round=round_.round,
                        value=overlap(tops[one], tops[other], k),
                        chance=pair_chance(*sizes, k),
                        ceiling=pair_ceiling(*sizes, k),
                    )
                )
            if shared > k:
                common.append(_common(round_, one, other, k))
    return TopAgreement(k=k, published=_overlap(published), common=_overlap(common))


def _common(round_: Ballots, one: str, other: str, k: int) -> _Comparison:
    """Compares two judges on the answers that both marked: chance k / m, ceiling 1."""
    first = best_chances(round_.orders[one], k, round_.by_judge[other])
    second = best_chances(round_.orders[other], k, round_.by_judge[one])
    return _Comparison(
        run=round_.run,
        round=round_.round,
        value=overlap(first, second, k),
        chance=k / _shared(round_, one, other),
    )


def _shared(round_: Ballots, one: str, other: str) -> int:
    """Returns how many answers both judges have marked in a round."""
    return round_.shared.get((min(one, other), max(one, other)), 0)


def _overlap(found: Sequence[_Comparison]) -> Overlap:
    """Averages comparisons."""
    return Overlap(
        value=_nested_mean(found, "value"),
        chance=_nested_mean(found, "chance"),
        ceiling=_nested_mean(found, "ceiling"),
        comparisons=len(found),
        rounds=len({(c.run, c.round) for c in found}),
    )


def _nested_mean(found: Sequence[_Comparison], figure: str) -> float | None:
    """Returns the mean over pairs, then rounds, then runs."""
    runs: dict[str, dict[int, list[float]]] = {}
    for comparison in found:
        rounds = runs.setdefault(comparison.run, {})
        rounds.setdefault(comparison.round, []).append(getattr(comparison, figure))
    per_run = []
    for rounds in runs.values():
        per_round = [m for values in rounds.values() if (m := mean(values)) is not None]
        if (value := mean(per_round)) is not None:
            per_run.append(value)
    return mean(per_run)


def _taus(
    cast: Iterable[Ballots], judges: Sequence[str]
) -> Mapping[tuple[str, str], list[_Comparison]]:
    """Returns, for each pair of judges, tau-b in every round where it is defined."""
    found: dict[tuple[str, str], list[_Comparison]] = {pair: [] for pair in combinations(judges, 2)}
    for round_ in cast:
        ordered = round_.signs
        for (one, other), comparisons in found.items():
            if one in ordered and other in ordered:
                tau = counts_of(ordered[one], ordered[other]).tau_b
                if tau is not None:
                    comparisons.append(_Comparison(run=round_.run, round=round_.round, value=tau))
    return found


def _pairs(
    cast: Sequence[Ballots],
    judges: Sequence[str],
    k: int,
    taus: Mapping[tuple[str, str], list[_Comparison]],
) -> tuple[PairAgreement, ...]:
    """Returns one entry for each unordered pair of judges."""
    entries = []
    for one, other in combinations(judges, 2):
        common = [
            _common(round_, one, other, k) for round_ in cast if _shared(round_, one, other) > k
        ]
        tau = [comparison.value for comparison in taus[one, other]]
        entries.append(
            PairAgreement(
                first=one,
                second=other,
                k=k,
                overlap=mean([comparison.value for comparison in common]),
                chance=mean([comparison.chance for comparison in common]),
                overlap_rounds=len(common),
                tau=mean(tau),
                tau_rounds=len(tau),
            )
        )
    return tuple(entries)
