"""The effect of evidence: the same answers judged with and without sight of what they did.

A run and its judging again, one with the outcomes shown and one with them hidden, are
compared on the scores that both have: how far the two sets of scores agree, and how much
closer to the pass rates, and to each other, judges are with evidence.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import add

from analysis.accuracy import SOURCE
from analysis.dataset import Dataset, Round, Run
from analysis.intervals import interval
from analysis.kendall import added, pair_counts
from analysis.marks import mean
from analysis.origins import origins
from analysis.pass_rates import answer_rate
from analysis.rated import COUNTS, inverted_share, outdated_judges, scores_by_judge, tally, tau_of
from analysis.resampling import STANDARD, Drawing, resampled_sums
from analysis.wording import listed

SHOWN, HIDDEN = "shown", "hidden"


@dataclass(frozen=True, kw_only=True)
class Paired:
    """A figure with evidence shown and hidden, and their difference.

    Attributes:
        shown: The figure with evidence; `None` where it is not defined.
        hidden: The figure without.
        low: Lower end of the interval of `shown - hidden`, drawn in pairs; `None` where the
            resamples do not tell.
        high: Upper end.
        pairs: Pairs behind the figure in one judging.
    """

    shown: float | None
    hidden: float | None
    low: float | None
    high: float | None
    pairs: int

    @property
    def difference(self) -> float | None:
        """`shown - hidden`; `None` where one of them is not defined."""
        if self.shown is None or self.hidden is None:
            return None
        return self.shown - self.hidden


@dataclass(frozen=True, kw_only=True)
class JudgeEffect:
    """What evidence changes for one judge, or for all together.

    Attributes:
        judge: The judge; empty for all judges together.
        scores: Scores that both judgings have.
        tau: Tau-b between the scores of both judgings, its pairs counted within rounds.
        tau_pairs: Pairs of answers behind it.
        distance: Mean absolute difference of the two scores of an answer, 0..100.
        accuracy: Tau-b between scores and pass rates, in each.
        inverted: Share of pairs whose failing program got the higher score, in each.
    """

    judge: str
    scores: int
    tau: float | None
    tau_pairs: int
    distance: float | None
    accuracy: Paired
    inverted: Paired


@dataclass(frozen=True, kw_only=True)
class EvidenceEffect:
    """A comparison of two judgings of the same answers.

    Attributes:
        shown: Id of the run whose judges saw the evidence.
        hidden: Id of the run whose judges did not.
        judges: One entry for each judge of both, in league order.
        overall: All of them together.
        agreement: Tau-b between the judges, pairs of judges added up, in each.
        also: What else differs between the runs, in words: then the effect is not that of
            evidence alone.
        questions: Questions with scores in both.
        outdated: Scores left out, as the evidence that their judge saw is not what the pass
            rates count now.
        level: Level of the intervals.
        resamples: Resamples of questions behind them.
        seed: Seed of the resamples.
        source: Where the formulas are from.
    """

    shown: str
    hidden: str
    judges: tuple[JudgeEffect, ...]
    overall: JudgeEffect
    agreement: Paired
    also: tuple[str, ...]
    questions: int
    outdated: int
    level: float
    resamples: int
    seed: int
    source: str = SOURCE


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """What one judge gave the same answers of one round twice, and their pass rates."""

    round: int
    judge: str
    shown: Mapping[str, float]
    hidden: Mapping[str, float]
    rates: Mapping[str, float]


def evidence_effects(dataset: Dataset, drawing: Drawing = STANDARD) -> tuple[EvidenceEffect, ...]:
    """Compares every run whose judges saw the evidence with those of the same answers that did not.

    Args:
        dataset: The runs; without two that judge the same answers there is nothing.
        drawing: How the intervals are drawn.
    """
    origin = origins(dataset)
    return tuple(
        _compare(one, other, drawing)
        for one in dataset.runs
        for other in dataset.runs
        if (one.evidence, other.evidence) == (SHOWN, HIDDEN) and origin[one.id] == origin[other.id]
    )


def _compare(shown: Run, hidden: Run, drawing: Drawing) -> EvidenceEffect:
    """Compares two runs."""
    scores = _common(shown, hidden)
    questions = sorted({item.round for item in scores})
    both = [judge for judge in shown.judges if judge in hidden.judges]
    return EvidenceEffect(
        shown=shown.id,
        hidden=hidden.id,
        judges=tuple(
            _effect(judge, [item for item in scores if item.judge == judge], questions, drawing)
            for judge in both
        ),
        overall=_effect("", scores, questions, drawing),
        agreement=_agreement(scores, questions, drawing),
        also=_differences(shown, hidden, both),
        questions=len(questions),
        outdated=sum(
            len(marks)
            for round_ in shown.rounds
            for judge, marks in scores_by_judge(shown, round_).items()
            if judge in both and judge in outdated_judges(round_)
        ),
        level=drawing.level,
        resamples=drawing.resamples,
        seed=drawing.seed,
    )


_OPTIONS = {
    "identity": "identity",
    "order": "order",
    "seed": "seed",
    "prompts_sha256": "prompts",
    "server_version": "version of the server",
}


def _differences(shown: Run, hidden: Run, judges: Sequence[str]) -> tuple[str, ...]:
    """Returns what else differs between two judgings that may bear on the scores of judges."""
    found = [
        told for name, told in _OPTIONS.items() if getattr(shown, name) != getattr(hidden, name)
    ]
    settings = [
        {p.id: (p.provider, p.model, p.settings) for p in run.participants}
        for run in (shown, hidden)
    ]
    others = [judge for judge in judges if settings[0].get(judge) != settings[1].get(judge)]
    if others:
        found.append(f"model or settings of {listed(others)}")
    again = {round_.index: round_ for round_ in hidden.rounds}
    lists = [
        str(round_.index)
        for round_ in shown.rounds
        if round_.index in again and _lists_differ(round_, again[round_.index])
    ]
    if lists:
        rounds = "round" if len(lists) == 1 else "rounds"
        found.append(f"answers that judges were shown in {rounds} {listed(lists)}")
    return tuple(found)


def _lists_differ(one: Round, other: Round) -> bool:
    """Says whether a judge scored other answers in one judging of a round than in the other."""
    scored = [
        {j.judge: {mark.answerer for mark in j.marks} for j in each.judgments if j.marks}
        for each in (one, other)
    ]
    both = scored[0].keys() & scored[1].keys()
    return any(scored[0][judge] != scored[1][judge] for judge in both)


def _common(shown: Run, hidden: Run) -> list[_Scores]:
    """Returns the scores that both runs have, by round and judge."""
    by_index = {round_.index: round_ for round_ in hidden.rounds}
    found = []
    for round_ in shown.rounds:
        again = by_index.get(round_.index)
        if again is None:
            continue
        check = round_.question.check if round_.question is not None else None
        rates = {
            answer.answerer: rate
            for answer in round_.answers
            if check is not None and check.verified and (rate := answer_rate(answer)) is not None
        }
        first, second = scores_by_judge(shown, round_), scores_by_judge(hidden, again)
        for judge in sorted((first.keys() & second.keys()) - outdated_judges(round_)):
            names = sorted(first[judge].keys() & second[judge].keys())
            found.append(
                _Scores(
                    round=round_.index,
                    judge=judge,
                    shown={name: first[judge][name] for name in names},
                    hidden={name: second[judge][name] for name in names},
                    rates={name: rates[name] for name in names if name in rates},
                )
            )
    return found


def _effect(
    judge: str, scores: Sequence[_Scores], questions: Sequence[int], drawing: Drawing
) -> JudgeEffect:
    """Returns what evidence changes in some of the scores."""
    between = added(
        pair_counts([item.shown[n] for n in item.shown], [item.hidden[n] for n in item.shown])
        for item in scores
    )
    distances = [
        abs(item.shown[name] - item.hidden[name]) for item in scores for name in item.shown
    ]
    rows = {question: [0] * (2 * COUNTS) for question in questions}
    for item in scores:
        counts = [
            number
            for side in (item.shown, item.hidden)
            for number in tally({name: side[name] for name in item.rates}, item.rates)
        ]
        rows[item.round] = list(map(add, rows[item.round], counts))
    return JudgeEffect(
        judge=judge,
        scores=len(distances),
        tau=between.tau_b,
        tau_pairs=between.counted,
        distance=mean(distances),
        accuracy=_paired(rows, drawing, tau_of, slice(0, 3)),
        inverted=_paired(rows, drawing, inverted_share, slice(4, COUNTS)),
    )


def _agreement(scores: Sequence[_Scores], questions: Sequence[int], drawing: Drawing) -> Paired:
    """Returns how far judges agree with each other, on the answers that two of them scored."""
    rows = {question: [0] * (2 * COUNTS) for question in questions}
    for one, other in combinations(scores, 2):
        if one.round != other.round:
            continue
        names = [name for name in one.shown if name in other.shown]
        counts: list[int] = []
        for first, second in ((one.shown, other.shown), (one.hidden, other.hidden)):
            pairs = pair_counts([first[n] for n in names], [second[n] for n in names])
            counts += [*pairs.numbers, *[0] * (COUNTS - 4)]
        rows[one.round] = list(map(add, rows[one.round], counts))
    return _paired(rows, drawing, tau_of, slice(0, 4))


def _paired(
    rows: Mapping[int, Sequence[int]],
    drawing: Drawing,
    figure: Callable[[Sequence[float]], float | None],
    behind: slice,
) -> Paired:
    """Returns a figure of both judgings, from the counts of each question side by side.

    Args:
        rows: By question: the counts with evidence, then those without.
        drawing: How the interval is drawn.
        figure: What is made of added counts.
        behind: The counts that are the pairs behind the figure.
    """
    columns = [[row[i] for row in rows.values()] for i in range(2 * COUNTS)]
    sums = [sum(column) for column in columns]
    differences = []
    for drawn in resampled_sums(columns, drawing):
        one, other = figure(drawn[:COUNTS]), figure(drawn[COUNTS:])
        if one is not None and other is not None:
            differences.append(one - other)
    with_pairs = sum(any(row[behind]) for row in rows.values())
    low, high = interval(differences, with_pairs, drawing.level)
    return Paired(
        shown=figure(sums[:COUNTS]),
        hidden=figure(sums[COUNTS:]),
        low=low,
        high=high,
        pairs=sum(sums[behind]),
    )
