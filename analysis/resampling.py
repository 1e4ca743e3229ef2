"""The bootstrap over rounds: how much a standing owes to the questions that were asked.

The marks of one answer share its question, so they are not independent, and drawing
marks anew would make every interval too narrow. Whole rounds are drawn instead
(Efron's percentile bootstrap with the question as the cluster).
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import mul

RESAMPLES = 2000
SEED = 20250418
"""Fixed, so that one dataset always gives one report; the day of the first published run."""
LEVEL = 0.95
TIE = 1e-9
"""Scores closer than this are one score: sums of floats differ in their last digits."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How resamples are drawn.

    Attributes:
        resamples: Resamples of questions; 0 leaves intervals out.
        seed: Seed of the draws.
        level: Share of the resamples that an interval holds.
    """

    resamples: int = RESAMPLES
    seed: int = SEED
    level: float = LEVEL


STANDARD = Drawing()
"""What a report uses."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What the resamples say of one model.

    Attributes:
        low: Lower end of the interval of the score; `None` where the score is the same in
            every round: rounds that are all alike do not show how others would differ.
        high: Upper end.
        best: Best place within the interval of places; `None` where neither the score nor
            the place ever changes.
        worst: Worst place within it.
        drawn: Resamples in which the model had a marked answer.
    """

    low: float | None
    high: float | None
    best: int | None
    worst: int | None
    drawn: int


def spreads(
    columns: Mapping[str, Sequence[float | None]],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    level: float = LEVEL,
) -> dict[str, Spread]:
    """Draws rounds with replacement and returns percentile intervals.

    Every resample is shared by all models, so places are compared on the same questions.

    Args:
        columns: For each model its score in each round, in one fixed order of rounds;
            `None` where it had no marked answer.
        resamples: Resamples to draw.
        seed: Seed of the draws.
        level: Share of the resamples that an interval holds.

    Returns:
        A spread for each model with at least two scores.
    """
    rounds = max((len(column) for column in columns.values()), default=0)
    enough = {m for m, column in columns.items() if sum(v is not None for v in column) > 1}
    if not enough:
        return {}
    filled = {m: [v or 0.0 for v in column] for m, column in columns.items()}
    present = {m: [int(v is not None) for v in column] for m, column in columns.items()}
    scores: dict[str, list[float]] = {m: [] for m in columns}
    places: dict[str, list[int]] = {m: [] for m in columns}
    for weights in draws(rounds, resamples=resamples, seed=seed):
        drawn: dict[str, float] = {}
        for model, values in filled.items():
            count = sum(map(mul, weights, present[model]))
            if count:
                drawn[model] = math.fsum(map(mul, weights, values)) / count
        for model, score in drawn.items():
            scores[model].append(score)
            places[model].append(1 + sum(other > score + TIE for other in drawn.values()))
    return {m: _spread(scores[m], places[m], level) for m in columns if m in enough and scores[m]}


def draws(questions: int, *, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[list[int]]:
    """Yields, for each resample, how often each question was drawn."""
    generator = random.Random(seed)  # noqa: S311  no secret depends on it
    for _ in range(resamples):
        weights = [0] * questions
        for index in generator.choices(range(questions), k=questions):
            weights[index] += 1
        yield weights


def bounds(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Cuts both tails of at least one value, at order statistics rounded outwards."""
    ordered = sorted(values)
    tail = (1 - level) / 2
    first = math.floor(tail * (len(ordered) - 1))
    last = math.ceil((1 - tail) * (len(ordered) - 1))
    return ordered[first], ordered[last]


def _spread(scores: list[float], places: list[int], level: float) -> Spread:
    """Cuts both tails of the scores and of the places."""
    alike = max(scores) - min(scores) <= TIE
    low, high = (None, None) if alike else bounds(scores, level)
    best = worst = None
    if not alike or min(places) < max(places):
        best, worst = map(int, bounds(places, level))
    return Spread(low=low, high=high, best=best, worst=worst, drawn=len(scores))


def resampled_sums(columns: Sequence[Sequence[float]], drawing: Drawing) -> Iterator[list[float]]:
    """Yields, for each resample of questions, the sum of each column over them.

    Every column shares the draws, so figures made of several of them are paired.

    Args:
        columns: Each has one number a question, in one fixed order of questions.
        drawing: How to draw.
    """
    questions = len(columns[0]) if columns else 0
    if questions:
        for weights in draws(questions, resamples=drawing.resamples, seed=drawing.seed):
            yield [math.fsum(map(mul, weights, column)) for column in columns]
