"""Scores beside pass rates: the one reading that every figure of judges' accuracy rests on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.dataset import Dataset, Round, Run
from analysis.kendall import pair_counts, tau_b
from analysis.marks import received
from analysis.origins import origins
from analysis.pass_rates import answer_rate
from analysis.resampling import TIE

Key = tuple[str, int]
"""A question: the run that it was set in, and its round."""


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """The scores that a judge gave in one round, beside what the programs did.

    Attributes:
        question: The question, which runs that judge it again share.
        run: The run that the judgment is of.
        judge: The judge.
        evidence: Whether it saw what the programs did: `shown` or `hidden`.
        scores: By answerer, from 0 to 100; only answers with a pass rate to a question
            whose reference was verified.
        rates: Pass rates of the same answers, 0..1.
        unverified: Scores left out, as the question's reference was not verified.
        unrated: Other scores left out, as the answer has no pass rate.
        outdated: Scores left out, as the judge was shown other cases as disputed than are
            now: the pass rates count what it did not see.
    """

    question: Key
    run: str
    judge: str
    evidence: str
    scores: Mapping[str, float]
    rates: Mapping[str, float]
    unverified: int = 0
    unrated: int = 0
    outdated: int = 0


def rated_ballots(dataset: Dataset) -> Iterator[Ballot]:
    """Yields every judgment that scored an answer."""
    origin = origins(dataset)
    for run, round_ in dataset.rounds():
        yield from _in_round(run, round_, (origin[run.id], round_.index))


def scores_by_judge(run: Run, round_: Round) -> dict[str, dict[str, float]]:
    """Returns the marks of a round that count, by judge and answerer."""
    found: dict[str, dict[str, float]] = {}
    for item in received(run, round_):
        found.setdefault(item.judge, {})[item.mark.answerer] = item.value
    return found


def outdated_judges(round_: Round) -> frozenset[str]:
    """Returns the judges who were shown other cases of a round as disputed than are now."""
    return frozenset(each.judge for each in round_.judgments if each.evidence_outdated)


def _in_round(run: Run, round_: Round, question: Key) -> Iterator[Ballot]:
    """Yields the ballots of one round."""
    rates = {answer.answerer: answer_rate(answer) for answer in round_.answers}
    check = round_.question.check if round_.question is not None else None
    verified = check is not None and check.verified
    outdated = outdated_judges(round_)
    for judge, given in scores_by_judge(run, round_).items():
        if judge in outdated:
            yield Ballot(
                question=question,
                run=run.id,
                judge=judge,
                evidence=run.evidence,
                scores={},
                rates={},
                outdated=len(given),
            )
            continue
        known = {name: rate for name in given if (rate := rates.get(name)) is not None and verified}
        left_out = len(given) - len(known)
        yield Ballot(
            question=question,
            run=run.id,
            judge=judge,
            evidence=run.evidence,
            scores={name: given[name] for name in known},
            rates=known,
            unverified=0 if verified else left_out,
            unrated=left_out if verified else 0,
        )


COUNTS = 7


def tally(scores: Mapping[str, float], rates: Mapping[str, float]) -> tuple[int, ...]:
    """Returns the counts of one ballot, which add up over ballots.

    Returns:
        Pairs of answers by how scores and pass rates order them: concordant, discordant,
        tied in score alone, tied in pass rate alone; then pairs of a passing and a failing
        program: right, tied, inverted.
    """
    names = sorted(scores)
    ranks = pair_counts([scores[n] for n in names], [rates[n] for n in names])
    leads = [
        scores[passing] - scores[failing]
        for passing in names
        if rates[passing] >= 1
        for failing in names
        if rates[failing] < 1
    ]
    right = sum(lead > TIE for lead in leads)
    inverted = sum(lead < -TIE for lead in leads)
    return (*ranks.numbers, right, len(leads) - right - inverted, inverted)


def tau_of(counts: Sequence[float]) -> float | None:
    """Returns tau-b of added tallies: -1..1, `None` where one side orders no pair."""
    return tau_b(*counts[:4])


def inverted_share(counts: Sequence[float]) -> float | None:
    """Returns the share of pairs whose failing program got the higher score."""
    right, tied, inverted = counts[4:COUNTS]
    comparable = right + tied + inverted
    return inverted / comparable if comparable else None
