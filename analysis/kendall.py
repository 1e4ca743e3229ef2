"""Kendall's rank correlation as counts of pairs, which add up over rounds."""

import math
from collections.abc import Iterable, Mapping, Sequence
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


@dataclass(frozen=True, kw_only=True)
class Signs:
    """How a list orders the pairs of some items, a bit a pair; none where an item is missing.

    Two lists are compared by a few operations on whole numbers, however many pairs there are.

    Attributes:
        above: Pairs whose first item has the higher value.
        below: Pairs whose second has.
        level: Pairs that are tied.
    """

    above: int
    below: int
    level: int


def signs(values: Mapping[str, float], items: Sequence[str]) -> Signs:
    """Returns how a list orders the pairs of `items`, of which it may lack some."""
    above = below = level = 0
    for place, (one, other) in enumerate(combinations(items, 2)):
        if one in values and other in values:
            sign = _sign(values[one] - values[other])
            if sign > 0:
                above |= 1 << place
            elif sign < 0:
                below |= 1 << place
            else:
                level |= 1 << place
    return Signs(above=above, below=below, level=level)


def counts_of(first: Signs, second: Signs) -> PairCounts:
    """Counts the pairs of the items that both lists have, as `pair_counts` does."""
    return PairCounts(
        concordant=(first.above & second.above | first.below & second.below).bit_count(),
        discordant=(first.above & second.below | first.below & second.above).bit_count(),
        tied_first=(first.level & (second.above | second.below)).bit_count(),
        tied_second=((first.above | first.below) & second.level).bit_count(),
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


def _sign(difference: float) -> int:
    """Returns -1, 0 or 1; hair's breadths count as ties."""
    return 0 if abs(difference) <= TIE else (1 if difference > 0 else -1)
