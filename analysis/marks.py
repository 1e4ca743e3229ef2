"""Which marks count: the one reading of a round that every statistic shares."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.dataset import Mark, Round, Run


@dataclass(frozen=True, kw_only=True)
class Received:
    """A mark that counts, with its judge and its value on the subject's scale."""

    judge: str
    mark: Mark
    value: float


def received(run: Run, round_: Round) -> Iterator[Received]:
    """Yields the marks of a round that count.

    A mark counts once, from a judge of the run, about another participant's answer.
    Marks about the judge's own answer or the setter are left out whatever a dataset
    claims, and so is a value that is no finite number: a mean must never hold one.

    Args:
        run: The run, for its judges and participants.
        round_: A round of it.

    Yields:
        The marks, in the order of the judgments.
    """
    answerers = {participant.id for participant in run.participants} - {round_.setter}
    seen: set[tuple[str, str]] = set()
    for judgment in round_.judgments:
        if judgment.judge not in run.judges:
            continue
        for mark in judgment.marks:
            pair = (judgment.judge, mark.answerer)
            if mark.answerer not in answerers or mark.answerer == judgment.judge or pair in seen:
                continue
            value = finite(mark.value)
            if value is not None:
                seen.add(pair)
                yield Received(judge=judgment.judge, mark=mark, value=value)


def finite(value: float | None) -> float | None:
    """Returns the value, or `None` for an infinity or what is not a number."""
    return value if value is not None and math.isfinite(value) else None


def mean(values: list[float]) -> float | None:
    """Returns the mean, independent of the order of the values; `None` for no value."""
    return math.fsum(values) / len(values) if values else None
