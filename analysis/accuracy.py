"""Accuracy of judges: how their scores agree with what the programs did.

The pass rate is no judge's opinion, so it can tell which judge to believe. Only answers to
questions whose reference was verified count, and only pairs of answers of one round are
compared: questions differ in difficulty. Scores with sight of what the programs did and scores without
are two things, and are never pooled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import add

from analysis.dataset import Dataset
from analysis.intervals import ENOUGH, interval, wilson
from analysis.rated import (
    COUNTS,
    Ballot,
    Key,
    inverted_share,
    rated_ballots,
    tally,
    tau_of,
)
from analysis.resampling import STANDARD, Drawing, resampled_sums

SOURCE = (
    "Kendall's tau-b (Kendall, 1945), its pairs counted within rounds and added over them; "
    "intervals: percentile bootstrap over questions (Efron, 1979), and Wilson (1927) on the "
    "number of questions where all resamples agree"
)


@dataclass(frozen=True, kw_only=True)
class JudgeAccuracy:
    """How one judge's scores agree with the pass rates.

    Attributes:
        judge: The judge.
        evidence: Whether it saw what the programs did when it gave these scores: `shown`
            or `hidden`; empty where the run does not say.
        tau: Tau-b between its scores and the pass rates, -1..1; `None` where it is not
            defined: the scores, or the pass rates, order no pair.
        tau_low: Lower end of its interval; `None` where the resamples do not tell.
        tau_high: Upper end.
        pairs: Pairs of answers of one round whose pass rates differ.
        questions: Questions with such a pair.
        inverted: Pairs of a program that passes every case and one that fails some, of
            which the failing one got the higher score.
        tied: Such pairs that got the same score.
        comparable: Such pairs in all.
        share: `inverted / comparable`; `None` without such a pair.
        share_low: Lower end of its interval; `None` below two questions.
        share_high: Upper end.
        scores: Scores that these figures rest on.
        unverified: Scores left out: the question's reference was not verified.
        unrated: Scores left out: the answer has no pass rate.
        outdated: Scores left out: the evidence that the judge saw is not what the pass
            rates count now.
    """

    judge: str
    evidence: str
    tau: float | None
    tau_low: float | None
    tau_high: float | None
    pairs: int
    questions: int
    inverted: int
    tied: int
    comparable: int
    share: float | None
    share_low: float | None
    share_high: float | None
    scores: int
    unverified: int
    unrated: int
    outdated: int

    @property
    def left_out(self) -> int:
        """Scores left out, for whatever reason."""
        return self.unverified + self.unrated + self.outdated


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Accuracy of the judges of a dataset.

    Attributes:
        judges: One entry for each judge, in league order; none where no program was run. Where
            some runs show evidence and others hide it, one for each of both, in two groups.
        questions: Verified questions that a score was held against.
        left_out: Questions with scores but no verified reference.
        level: Level of the intervals.
        resamples: Resamples of questions behind them.
        seed: Seed of the resamples.
        source: Where the formulas are from.
    """

    judges: tuple[JudgeAccuracy, ...]
    questions: int
    left_out: int
    level: float
    resamples: int
    seed: int
    source: str = SOURCE

    @property
    def apart(self) -> bool:
        """Some scores were given with evidence and some without, and each judge has both."""
        return len({judge.evidence for judge in self.judges}) > 1


def accuracy(dataset: Dataset, drawing: Drawing = STANDARD) -> Accuracy:
    """Measures how far each judge's scores agree with the pass rates.

    Args:
        dataset: The runs to read together; a question that several of them judge is one
            question in the resamples.
        drawing: How the intervals are drawn.
    """
    ballots = list(rated_ballots(dataset))
    questions = sorted({ballot.question for ballot in ballots if ballot.scores})
    executed = any(a.execution for _, round_ in dataset.rounds() for a in round_.answers)
    # "shown" comes first.
    views = sorted({run.evidence for run in dataset.runs}, reverse=True)
    pairs = dict.fromkeys(
        (view, judge)
        for view in views
        for run in dataset.runs
        if run.evidence == view
        for judge in run.judges
    )
    judges = [
        _judge(
            judge,
            view,
            [b for b in ballots if (b.evidence, b.judge) == (view, judge)],
            questions,
            drawing,
        )
        for view, judge in (pairs if executed else ())
    ]
    return Accuracy(
        judges=tuple(judges),
        questions=len(questions),
        left_out=len({ballot.question for ballot in ballots if ballot.unverified}),
        level=drawing.level,
        resamples=drawing.resamples,
        seed=drawing.seed,
    )


def _judge(
    judge: str,
    evidence: str,
    ballots: Sequence[Ballot],
    questions: Sequence[Key],
    drawing: Drawing,
) -> JudgeAccuracy:
    """Measures one judge, by its scores with evidence or by those without."""
    rows: dict[Key, list[int]] = {question: [0] * COUNTS for question in questions}
    for ballot in ballots:
        if ballot.scores:
            row = rows[ballot.question]
            rows[ballot.question] = list(map(add, row, tally(ballot.scores, ballot.rates)))
    columns = [[row[i] for row in rows.values()] for i in range(COUNTS)]
    sums = [sum(column) for column in columns]
    ranked = sum(any(row[:3]) for row in rows.values())
    compared = sum(any(row[4:]) for row in rows.values())
    taus, shares = [], []
    for drawn in resampled_sums(columns, drawing):
        taus.append(tau_of(drawn))
        shares.append(inverted_share(drawn))
    share = inverted_share(sums)
    tau_low, tau_high = interval(taus, ranked, drawing.level)
    share_low, share_high = interval(shares, compared, drawing.level)
    if share is not None and share_low is None and compared >= ENOUGH and drawing.resamples:
        share_low, share_high = wilson(share, compared, drawing.level)
    return JudgeAccuracy(
        judge=judge,
        evidence=evidence,
        tau=tau_of(sums),
        tau_low=tau_low,
        tau_high=tau_high,
        pairs=sum(sums[:3]),
        questions=ranked,
        inverted=sums[6],
        tied=sums[5],
        comparable=sum(sums[4:]),
        share=share,
        share_low=share_low,
        share_high=share_high,
        scores=sum(len(ballot.scores) for ballot in ballots),
        unverified=sum(ballot.unverified for ballot in ballots),
        unrated=sum(ballot.unrated for ballot in ballots),
        outdated=sum(ballot.outdated for ballot in ballots),
    )
