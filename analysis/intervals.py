"""Intervals of resampled figures, and of shares where resamples do not tell."""

import math
from collections.abc import Sequence
from statistics import NormalDist

from analysis.resampling import LEVEL, TIE, bounds

ENOUGH = 2
"""Questions below which there is no interval."""


def interval(
    values: Sequence[float | None], questions: int, level: float = LEVEL
) -> tuple[float, float] | tuple[None, None]:
    """Returns the percentile interval of resampled values.

    None below two questions, and none where every resample gives one value: questions that
    are all alike do not show how others would differ.

    Args:
        values: One a resample; those without a value are left out.
        questions: Questions that the figure rests on.
        level: Level of the interval.
    """
    there = [value for value in values if value is not None]
    if questions < ENOUGH or not there or max(there) - min(there) <= TIE:
        return None, None
    return bounds(there, level)


def wilson(share: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Returns Wilson's score interval of a share of `n` trials."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Exact at both ends, where rounding could leave a hair outside 0..1.
    return max(0.0, middle - half), min(1.0, middle + half)
