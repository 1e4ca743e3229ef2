"""Kendall's rank correlation as counts of pairs, which add up over rounds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from analysis.resampling import TIE


@dataclass(frozen=True, kw_only=True)
class PairCounts:
    """How two lists order the pairs of their items.

    Attributes:
        concordant: Pairs that both order the same way.
        discordant: Pairs that they order oppositely.
        tied_first: Pairs that only the first list ties.
        tied_second: Pairs that only the second list ties.
    """

    concordant: int = 0
    discordant: int = 0
    tied_first: int = 0
    tied_second: int = 0

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """The counts, in the order of the attributes."""
        return (self.concordant, self.discordant, self.tied_first, self.tied_second)

    @property
    def counted(self) -> int:
        """Pairs that at least one list orders."""
        return sum(self.numbers)

    @property
    def tau_b(self) -> float | None:
        """Tau-b; `None` when one of the lists orders no pair."""
        return tau_b(*self.numbers)


def tau_b(
    concordant: float, discordant: float, tied_first: float, tied_second: float
) -> float | None:
    """Returns `(C - D) / sqrt((C + D + T1)(C + D + T2))` (Kendall, 1945), or `None`."""
    decided = concordant + discordant
    under = (decided + tied_first) * (decided + tied_second)
    return (concordant - discordant) / math.sqrt(under) if under else None


def pair_counts(first: Sequence[float], second: Sequence[float]) -> PairCounts:
    """Counts the pairs of two lists of the same items; pairs that both tie are left out."""
    concordant = discordant = tied_first = tied_second = 0
    for (a, x), (b, y) in combinations(zip(first, second, strict=True), 2):
        one, other = _sign(a - b), _sign(x - y)
        concordant += one * other > 0
        discordant += one * other < 0
        tied_first += one == 0 and other != 0
        tied_second += one != 0 and other == 0
    return PairCounts(
        concordant=concordant,
        discordant=discordant,
        tied_first=tied_first,
        tied_second=tied_second,
    )


def added(counts: Iterable[PairCounts]) -> PairCounts:
    """Returns the sum of counts: pairs are compared within their own list only."""
    found = list(counts)
    return PairCounts(
        concordant=sum(c.concordant for c in found),
        discordant=sum(c.discordant for c in found),
        tied_first=sum(c.tied_first for c in found),
        tied_second=sum(c.tied_second for c in found),
    )


def kendall_tau_b(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Returns Kendall's rank correlation in the form that corrects for ties.

    `None` when it is not defined: fewer than two items, or one list all tied.
    """
    return pair_counts(first, second).tau_b


def _sign(difference: float) -> int:
    """Returns -1, 0 or 1; hair's breadths count as ties."""
    return 0 if abs(difference) <= TIE else (1 if difference > 0 else -1)
