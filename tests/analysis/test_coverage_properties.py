"""Whatever is missing: it is counted as missing, and no mean knows of it."""

import math
from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.coverage import State, coverage
from analysis.dataset import Dataset, Judgment, Mark, Round, StepResult
from analysis.scores import round_scores, standings
from tests.support.datasets import Holes, Recipe, league

LOST = StepResult(outcome="unparsable", cause="no_json", detail="It held no JSON.", calls=3)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Leagues of three to six with holes of every kind."""
    n, cycles = draw(st.integers(3, 6)), draw(st.integers(1, 2))
    ids = [f"model-{chr(97 + i)}" for i in range(n)]
    indexes = st.integers(1, n * cycles)
    steps = st.sets(st.tuples(indexes, st.sampled_from(ids)), max_size=8)
    holes = Holes(
        judgments=draw(steps),
        answers=draw(steps),
        void=draw(st.sets(indexes, max_size=2)),
        not_begun=draw(st.sets(indexes, max_size=2)),
        mended=draw(steps),
        reasked=draw(steps),
    )
    return Recipe(
        n=n,
        cycles=cycles,
        noise=0.4,
        seed=draw(st.integers(0, 1000)),
        subject=draw(st.sampled_from(("math", "programming"))),
        judges=draw(st.just(()) | st.sets(st.sampled_from(ids), min_size=1).map(sorted)),
        holes=holes,
    )


def without(dataset: Dataset, lost: set[tuple[int, str]]) -> Dataset:
    """Returns the dataset as if those judgments had not come."""

    def judged(round_: Round, judgment: Judgment) -> Judgment:
        if (round_.index, judgment.judge) not in lost:
            return judgment
        return replace(judgment, result=LOST, marks=())

    (run,) = dataset.runs
    rounds = tuple(
        replace(round_, judgments=tuple(judged(round_, j) for j in round_.judgments))
        for round_ in run.rounds
    )
    return Dataset(runs=(replace(run, rounds=rounds),))


def marks_of(dataset: Dataset, answerer: str) -> dict[int, list[Mark]]:
    """Returns the marks of one participant by round."""
    found: dict[int, list[Mark]] = {}
    for _, round_ in dataset.rounds():
        for judgment in round_.judgments:
            for mark in judgment.marks:
                if mark.answerer == answerer:
                    found.setdefault(round_.index, []).append(mark)
    return found


def plain_mean(dataset: Dataset, answerer: str) -> float | None:
    """Returns the mean of round means, computed from what is there and nothing else."""
    means = []
    for marks in marks_of(dataset, answerer).values():
        values = [mark.value for mark in marks if mark.value is not None]
        means.append(math.fsum(values) / len(values))
    return math.fsum(means) / len(means) if means else None


@settings(max_examples=60, deadline=None)
@given(recipes(), st.data())
def test_losing_marks_changes_only_the_means_that_they_were_in(
    recipe: Recipe, data: st.DataObject
) -> None:
    full = league(recipe)
    there = [
        (round_.index, judgment.judge)
        for _, round_ in full.rounds()
        for judgment in round_.judgments
        if judgment.marks
    ]
    lost = data.draw(st.sets(st.sampled_from(there), max_size=6)) if there else set()
    less = without(full, lost)
    before = {s.model: s for s in standings(full, resamples=0)}
    after = {s.model: s for s in standings(less, resamples=0)}
    for model, standing in after.items():
        expected = plain_mean(less, model)
        if expected is None:
            # What is missing is no 0.
            assert standing.answer_score is None
            assert standing.place is None
        else:
            assert standing.answer_score is not None
            assert math.isclose(standing.answer_score, expected, abs_tol=1e-12)
        if marks_of(less, model) == marks_of(full, model):
            assert standing.answer_score == before[model].answer_score
            assert standing.marks == before[model].marks
        assert standing.planned == before[model].planned
    for row in round_scores(less):
        assert (row.value is None) is (row.marks == 0)


@settings(max_examples=100, deadline=None)
@given(recipes())
def test_every_step_and_mark_is_there_or_missing(recipe: Recipe) -> None:
    dataset = league(recipe)
    found = coverage(dataset)
    received = sum(len(j.marks) for _, r in dataset.rounds() for j in r.judgments)
    assert found.marks == received
    assert found.marks + found.missing == found.planned == dataset.runs[0].planned_marks
    due = [cell for cell in found.cells if cell.state is not State.NOT_DUE]
    (run,) = dataset.runs
    per_round = 1 + (len(run.participants) - 1) + len(run.judges)
    assert len(due) == per_round * len(run.rounds)
    for total in found.totals:
        counted = Counter(
            cell.state
            for cell in due
            if (cell.participant, cell.role) == (total.participant, total.role)
        )
        assert total.planned == counted.total()
        assert total.planned == total.usable + total.missing + total.pending
        assert total.missing == counted[State.MISSING]
    assert sum(total.planned for total in found.totals) == len(due)
    missing = sum(total.missing for total in found.totals)
    assert missing == sum(f.count for f in found.failures) + found.skipped
    for failure in found.failures:
        assert len(failure.rounds) == failure.count
        assert failure.example
    for cell in due:
        assert bool(cell.cause) is (cell.state is State.MISSING)
