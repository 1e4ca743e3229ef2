"""Accuracy of judges: by hand, by property, and what is left out of it."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.accuracy import accuracy
from analysis.dataset import Dataset
from analysis.intervals import wilson
from analysis.rated import inverted_share, tally, tau_of
from analysis.resampling import Drawing
from tests.support.datasets import Holes, Recipe, league_run
from tests.support.programs import checks_of, drawn_verdicts, executed, rejudged, scored

NO_DRAWS = Drawing(resamples=0)
FEW_DRAWS = Drawing(resamples=200)


def played(n: int = 5, cycles: int = 2, seed: int = 1) -> Recipe:
    return Recipe(n=n, cycles=cycles, subject="programming", programs=True, noise=0.3, seed=seed)


def test_one_ballot_by_hand() -> None:
    scores = {"a": 90.0, "b": 60.0, "c": 60.0, "d": 70.0}
    rates = {"a": 1.0, "b": 1.0, "c": 0.5, "d": 0.0}
    # ac+ ad+ bd- cd-; ab tied in rate; bc tied in score.
    counts = tally(scores, rates)
    assert counts[:4] == (2, 2, 1, 1)
    # a beats c and d; b ties with c and loses to d.
    assert counts[4:] == (2, 1, 1)
    assert tau_of(counts) == 0
    assert inverted_share(counts) == 1 / 4


def test_rounds_are_added_and_not_mixed() -> None:
    run = league_run(Recipe(n=3, subject="programming"))
    # Round 1: b passes all, c half. Round 2: a none, c all. Round 3: a half, b half.
    letters = {
        (1, "model-b"): "....", (1, "model-c"): "..WW",
        (2, "model-a"): "C", (2, "model-c"): "....",
        (3, "model-a"): ".T.T", (3, "model-b"): "R.R.",
    }  # fmt: skip
    points = {
        (1, "model-b"): 50, (1, "model-c"): 80,
        (2, "model-a"): 10, (2, "model-c"): 20,
        (3, "model-a"): 99, (3, "model-b"): 1,
    }  # fmt: skip
    run = executed(run, lambda index, name: letters[index, name])
    run = scored(run, lambda index, _, name, __: points[index, name])
    found = {judge.judge: judge for judge in accuracy(Dataset(runs=(run,))).judges}
    # Only the setter sees both answers: each judge has one pair, of its own round.
    a, b, c = (found[f"model-{name}"] for name in "abc")
    assert (a.tau, a.pairs, a.inverted, a.comparable, a.questions) == (-1, 1, 1, 1, 1)
    assert (b.tau, b.pairs, b.inverted, b.comparable) == (1, 1, 0, 1)
    # Both answers of round 3 pass half: no pair to be right about.
    assert (c.tau, c.pairs, c.share, c.questions) == (None, 0, None, 0)
    assert a.share_low is None
    assert [judge.scores for judge in (a, b, c)] == [4, 4, 4]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 6))
def test_a_judge_that_scores_by_pass_rate_is_right(seed: int, n: int) -> None:
    run = league_run(played(n=n, seed=seed))
    true = scored(run, lambda _, __, ___, rate: 100 * (rate or 0.0))
    false = scored(run, lambda _, __, ___, rate: 100 - 100 * (rate or 0.0))
    right = accuracy(Dataset(runs=(true,)), NO_DRAWS).judges
    wrong = accuracy(Dataset(runs=(false,)), NO_DRAWS).judges
    for one, other in zip(right, wrong, strict=True):
        assert one.tau in (1, None)
        assert other.tau in (-1, None)
        assert one.inverted == one.tied == 0
        assert other.inverted == other.comparable == one.comparable
        assert one.share_low is None


def test_a_judge_that_guesses_is_near_chance() -> None:
    generator = random.Random(7)  # noqa: S311  no secret depends on it
    run = league_run(played(n=8, cycles=10))
    run = scored(run, lambda *_: generator.uniform(0, 100))
    for judge in accuracy(Dataset(runs=(run,)), FEW_DRAWS).judges:
        assert judge.tau == pytest.approx(0, abs=0.15)
        assert judge.share == pytest.approx(0.5, abs=0.1)
        assert judge.tau_low is not None
        assert judge.tau_high is not None
        assert judge.tau_low < judge.tau_high
        assert judge.comparable > 200


def test_a_judge_that_gives_all_the_same_has_no_rank_correlation() -> None:
    run = scored(league_run(played()), lambda *_: 70.0)
    for judge in accuracy(Dataset(runs=(run,)), FEW_DRAWS).judges:
        assert judge.tau is None
        assert (judge.inverted, judge.tied) == (0, judge.comparable)
        assert judge.share == 0


def test_unanimous_questions_get_a_wilson_interval() -> None:
    run = scored(league_run(played()), lambda _, __, ___, rate: 100 * (rate or 0.0))
    for judge in accuracy(Dataset(runs=(run,)), FEW_DRAWS).judges:
        assert judge.tau == 1
        # All resamples agree, which does not make the figure certain.
        assert judge.tau_low is None
        assert judge.share_low == 0
        assert judge.share_high is not None
        assert 0.2 < judge.share_high < 0.8


def test_wilson_by_hand() -> None:
    # 0 of 10 and 5 of 10, to four places, by the published formula.
    assert [round(end, 4) for end in wilson(0, 10)] == [0, 0.2775]
    assert [round(end, 4) for end in wilson(0.5, 10)] == [0.2366, 0.7634]


def test_what_says_nothing_is_left_out_and_counted() -> None:
    plain = league_run(Recipe(n=4, subject="programming"))
    letters = drawn_verdicts(plain, lambda _: 0.5)
    run = executed(
        plain,
        lambda index, name: "SSSS" if (index, name) == (2, "model-a") else letters(index, name),
        checks_of([1]),
    )
    found = accuracy(Dataset(runs=(run,)))
    assert (found.questions, found.left_out) == (3, 1)
    for judge in found.judges:
        # An own answer is not judged; as setter one sees all three.
        assert judge.unverified == (3 if judge.judge == "model-a" else 2)
        assert judge.unrated == (0 if judge.judge == "model-a" else 1)
        assert judge.scores + judge.unverified + judge.unrated == 9
    sure = scored(run, lambda _, __, ___, rate: 100 * (rate or 0.0))
    assert {j.tau for j in accuracy(Dataset(runs=(sure,)), NO_DRAWS).judges} <= {1, None}


def test_no_judgment_and_no_program() -> None:
    plain = league_run(Recipe(n=3, subject="programming"))
    assert accuracy(Dataset(runs=(plain,))).judges == ()
    void = league_run(replace(played(n=3, cycles=1), holes=Holes(void=[1, 2, 3])))
    assert accuracy(Dataset(runs=(void,))).judges == ()
    everyone = [(r, f"model-{name}") for r in (1, 2, 3) for name in "abc"]
    mute = league_run(replace(played(n=3, cycles=1), holes=Holes(judgments=everyone)))
    for judge in accuracy(Dataset(runs=(mute,))).judges:
        assert (judge.tau, judge.share, judge.scores) == (None, None, 0)


def test_judging_again_makes_no_question_count_as_two() -> None:
    run = league_run(played())
    once = accuracy(Dataset(runs=(run,)))
    twice = accuracy(Dataset(runs=(run, rejudged(run, "again", run.evidence))))
    assert twice.questions == once.questions
    for one, two in zip(once.judges, twice.judges, strict=True):
        assert (two.tau_low, two.tau_high) == (one.tau_low, one.tau_high)
        assert two.comparable == 2 * one.comparable
        assert two.share == one.share


def test_scores_with_evidence_and_without_are_never_pooled() -> None:
    run = replace(league_run(played()), evidence="shown")
    sure = scored(run, lambda _, __, ___, rate: 100 * (rate or 0.0))
    wrong = scored(rejudged(run, "blind"), lambda _, __, ___, rate: 100 - 100 * (rate or 0.0))
    once = accuracy(Dataset(runs=(sure,)), FEW_DRAWS)
    found = accuracy(Dataset(runs=(wrong, sure)), FEW_DRAWS)
    assert (once.apart, found.apart) == (False, True)
    assert found.questions == once.questions
    assert [(judge.evidence, judge.judge) for judge in found.judges] == [
        (view, judge) for view in ("shown", "hidden") for judge in run.judges
    ]
    assert found.judges[: len(run.judges)] == once.judges
    assert {judge.tau for judge in found.judges[len(run.judges) :]} == {-1}


def test_parameters_travel_with_the_result() -> None:
    found = accuracy(Dataset(runs=(league_run(played()),)), FEW_DRAWS)
    assert (found.level, found.resamples, found.seed) == (0.95, 200, FEW_DRAWS.seed)
    assert "Kendall" in found.source
