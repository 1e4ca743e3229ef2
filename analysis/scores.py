"""Scores and standings: from marks to who stands where, and how sure that is.

Means are over the marks received; what is missing is never counted as 0. With all marks
present the numbers equal the published ones (arXiv 2507.22359, figure 2 and the released
score tables).
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.dataset import Dataset, Round, Run
from analysis.marks import Received, finite, mean, received
from analysis.resampling import LEVEL, RESAMPLES, SEED, TIE, spreads
from analysis.wording import listed


@dataclass(frozen=True, kw_only=True)
class RoundScore:
    """What one answerer got in one round.

    Attributes:
        run: Id of the run.
        round: Number of the round in its run.
        setter: Who set the question.
        answerer: Whose answer it is.
        value: Mean of the marks received, in points (mathematics) or 0..100; `None` if none.
        share: Mean of the shares received, 0..1; `None` where no list carried ranks.
        total: Sum of the marks received.
        marks: Marks received.
        expected: Marks that the schedule has for this answer.
    """

    run: str
    round: int
    setter: str
    answerer: str
    value: float | None
    share: float | None = None
    total: float = 0.0
    marks: int = 0
    expected: int = 0


@dataclass(frozen=True, kw_only=True)
class MeanScore:
    """A mean with the number of scores behind it; `value` is `None` for none."""

    value: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One model's place, with what it rests on.

    Attributes:
        place: Place by answer score from 1, equal scores sharing the better one; `None`
            while no answer of the model has been marked.
        model: The model.
        answer_score: Mean of its round scores.
        question_score: Mean of what others got on its questions; low means hard.
        total: Sum of the marks received.
        share: Mean share over rounds, 0..1; `None` in programming.
        rounds: Rounds in which its answer was marked; the n of `answer_score`.
        questions: Answers marked on its questions; the n of `question_score`.
        marks: Marks received.
        planned: Marks that the schedule has for it, those of missing answers included.
        standard_error: Standard error of the answer score over rounds, `s / sqrt(n)`.
        low: Lower end of the interval of the answer score.
        high: Upper end.
        best: Best place of the interval of places.
        worst: Worst place of it.
        level: Level of both intervals.
        resamples: Resamples of rounds behind them.
        seed: Seed of the resamples.
    """

    place: int | None
    model: str
    answer_score: float | None
    question_score: float | None
    total: float
    share: float | None
    rounds: int
    questions: int
    marks: int
    planned: int
    standard_error: float | None
    low: float | None
    high: float | None
    best: int | None
    worst: int | None
    level: float
    resamples: int
    seed: int

    @property
    def coverage(self) -> float | None:
        """Marks received of those planned, 0..1; `None` when none was planned."""
        return self.marks / self.planned if self.planned else None


def round_scores(dataset: Dataset) -> tuple[RoundScore, ...]:
    """Returns one row for every round and every participant that is to answer in it.

    Void rounds, missing answers and rounds not begun have rows too, with no value: they
    are what coverage is measured against. Source: figure 2 of the paper,
    `RoundScore_j = (1 / received) * sum_i Score_ij` with `i != j`.
    """
    return tuple(row for run, round_ in dataset.rounds() for row in _round_rows(run, round_))


def _round_rows(run: Run, round_: Round) -> list[RoundScore]:
    """Returns the rows of one round, in league order."""
    by_answerer: dict[str, list[Received]] = defaultdict(list)
    for item in received(run, round_):
        by_answerer[item.mark.answerer].append(item)
    rows = []
    for participant in run.participants:
        answerer = participant.id
        if answerer == round_.setter:
            continue
        items = by_answerer[answerer]
        values = [item.value for item in items]
        shares = [s for item in items if (s := finite(item.mark.share)) is not None]
        rows.append(
            RoundScore(
                run=run.id,
                round=round_.index,
                setter=round_.setter,
                answerer=answerer,
                value=mean(values),
                share=mean(shares),
                total=math.fsum(values),
                marks=len(values),
                expected=sum(judge != answerer for judge in run.judges),
            )
        )
    return rows


def answer_score(rows: Iterable[RoundScore], model: str) -> MeanScore:
    """Returns the mean over the rounds in which the model's answer was marked.

    Source: "own average score on others' questions" of the released score table.
    """
    return _mean_score(row.value for row in rows if row.answerer == model)


def question_score(rows: Iterable[RoundScore], model: str) -> MeanScore:
    """Returns the mean of what others got on the model's questions; low means hard.

    Source: "others' average score on own question" of the released score table. Every
    marked answer counts once, so a question that few answered weighs less.
    """
    return _mean_score(row.value for row in rows if row.setter == model)


def share_score(rows: Iterable[RoundScore], model: str) -> MeanScore:
    """Returns the mean over rounds of the model's share `(m - rank) / (m - 1)`."""
    return _mean_score(row.share for row in rows if row.answerer == model)


def points_sum(rows: Iterable[RoundScore], model: str) -> float:
    """Returns the sum of all marks that the model received."""
    return math.fsum(row.total for row in rows if row.answerer == model)


def setter_answerer_matrix(rows: Iterable[RoundScore]) -> dict[tuple[str, str], MeanScore]:
    """Returns, by (setter, answerer), the mean round score and its number of rounds."""
    cells: dict[tuple[str, str], list[float | None]] = defaultdict(list)
    for row in rows:
        cells[row.setter, row.answerer].append(row.value)
    return {key: _mean_score(values) for key, values in cells.items()}


def _mean_score(values: Iterable[float | None]) -> MeanScore:
    """Returns the mean of what is there."""
    there = [value for value in values if value is not None]
    return MeanScore(value=mean(there), n=len(there))


def standings(
    dataset: Dataset, *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[Standing, ...]:
    """Returns the standings of a dataset, best first.

    Args:
        dataset: The runs to read together.
        resamples: Resamples of rounds; 0 leaves the intervals out.
        seed: Seed of the resamples.
    """
    rows = round_scores(dataset)
    return standings_of(rows, dataset.participants, resamples=resamples, seed=seed)


def standings_of(
    rows: Sequence[RoundScore],
    models: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    level: float = LEVEL,
) -> tuple[Standing, ...]:
    """Returns the standings of given round scores, best first; unmarked models last.

    The order of the rows has no effect. Equal scores share the better place and keep the
    order of `models`.

    Args:
        rows: Round scores, of a dataset or of a published table.
        models: Who takes part.
        resamples: Resamples of rounds; 0 leaves the intervals out.
        seed: Seed of the resamples.
        level: Level of the intervals.
    """
    # Rounds are put into an order of their own, so that the seed means the same thing
    # however the rows came.
    rounds = sorted({(row.run, row.round) for row in rows})
    by_model: dict[str, dict[tuple[str, int], RoundScore]] = {model: {} for model in models}
    for row in rows:
        by_model.setdefault(row.answerer, {})[row.run, row.round] = row
    columns = {
        model: [own[key].value if key in own else None for key in rounds]
        for model, own in by_model.items()
    }
    spread = spreads(columns, resamples=resamples, seed=seed, level=level) if resamples else {}
    means = {model: answer_score(rows, model) for model in by_model}
    found = []
    for model, own in by_model.items():
        score, question = means[model], question_score(rows, model)
        around = spread.get(model)
        found.append(
            Standing(
                place=_place(score.value, means.values()),
                model=model,
                answer_score=score.value,
                question_score=question.value,
                total=points_sum(rows, model),
                share=share_score(rows, model).value,
                rounds=score.n,
                questions=question.n,
                marks=sum(row.marks for row in own.values()),
                planned=sum(row.expected for row in own.values()),
                standard_error=_standard_error(columns[model]),
                low=around.low if around else None,
                high=around.high if around else None,
                best=around.best if around else None,
                worst=around.worst if around else None,
                level=level,
                resamples=resamples,
                seed=seed,
            )
        )
    return tuple(sorted(found, key=lambda s: s.place or len(found) + 1))


def _place(score: float | None, others: Iterable[MeanScore]) -> int | None:
    """Returns one more than the number of better scores (competition ranking)."""
    if score is None:
        return None
    return 1 + sum(o.value is not None and o.value > score + TIE for o in others)


def _standard_error(column: Sequence[float | None]) -> float | None:
    """Returns `s / sqrt(n)` over rounds, with the n - 1 form of s; `None` below two."""
    there = [value for value in column if value is not None]
    minimum = 2
    if len(there) < minimum:
        return None
    return statistics.stdev(there) / math.sqrt(len(there))


# A percentile interval from so few rounds covers clearly less than its level says:
# for the mean of n values it is about sqrt((n-1)/n) times t/z too narrow, a tenth at 8.
ENOUGH_ROUNDS = 8
# From fewer rounds it says nothing at all.
LEAST_ROUNDS = 3


def tie_sentence(table: Sequence[Standing]) -> str:
    """Says who leads, and who cannot be told apart from the leader.

    A model cannot be told apart when its score lies within the leader's interval or the
    leader's within its own.
    """
    ranked = [standing for standing in table if standing.answer_score is not None]
    if not ranked:
        return "No answer has been marked yet, so nobody leads."
    leaders = [standing for standing in ranked if standing.place == 1]
    if len(leaders) > 1:
        return f"{listed([s.model for s in leaders])} share the lead."
    leader = leaders[0]
    fewest = min(standing.rounds for standing in ranked)
    if fewest < LEAST_ROUNDS:
        rounds = "1 round" if fewest == 1 else f"{fewest} rounds"
        return (
            f"{leader.model} leads, but whether anybody else is as good cannot be told yet: "
            f"too few rounds to tell, {rounds} behind a score."
        )
    if unsure := [standing.model for standing in ranked if standing.low is None]:
        why = f"the score of {listed(unsure)} is the same in every round"
        return (
            f"{leader.model} leads, but whether anybody else is as good cannot be told: "
            f"{why if leader.resamples else 'nothing was resampled'}, so there is no interval."
        )
    level = f"{leader.level:.0%}".replace("%", " %")
    close = [standing.model for standing in ranked if _inseparable(leader, standing)]
    if not close:
        said = f"{leader.model} leads, and nobody else is within its {level} interval."
    else:
        said = (
            f"{leader.model} leads, but on these questions {listed(close)} cannot be told "
            "apart from it."
        )
    if fewest < ENOUGH_ROUNDS:
        said += (
            f" With {fewest} rounds behind a score the intervals are too narrow: play more "
            "before you rely on them."
        )
    return said


def _inseparable(leader: Standing, other: Standing) -> bool:
    """Tells whether one score lies within the other's interval."""
    if other is leader or other.answer_score is None or leader.answer_score is None:
        return False
    within = leader.low is not None and other.answer_score >= leader.low
    return within or (other.high is not None and other.high >= leader.answer_score)
