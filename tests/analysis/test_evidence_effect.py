"""The effect of evidence: two judgings of the same answers, compared."""

import random
from dataclasses import replace

import pytest

from analysis.dataset import Dataset, Run
from analysis.evidence_effect import evidence_effects
from analysis.resampling import Drawing
from tests.support.datasets import Holes, Recipe, league_run
from tests.support.programs import checks_of, drawn_verdicts, executed, rejudged, scored

FEW = Drawing(resamples=200)


def base(n: int = 5, cycles: int = 4) -> Run:
    return league_run(Recipe(n=n, cycles=cycles, subject="programming", programs=True))


def by_rate(run: Run) -> Run:
    return scored(run, lambda _, __, ___, rate: 100 * (rate or 0.0))


def test_the_same_scores_twice_show_no_effect() -> None:
    run = by_rate(base())
    (found,) = evidence_effects(Dataset(runs=(run, rejudged(run, "blindfold"))), FEW)
    assert (found.shown, found.hidden) == ("run-1", "blindfold")
    assert found.overall.tau == 1
    assert found.overall.distance == 0
    assert found.overall.accuracy.difference == 0
    assert found.agreement.difference == 0
    assert found.agreement.shown == 1
    assert len(found.judges) == 5
    assert found.overall.scores == sum(judge.scores for judge in found.judges) == 20 * 16


def test_evidence_that_helps_is_seen_to_help() -> None:
    generator = random.Random(3)  # noqa: S311  no secret depends on it
    run = base()
    guessed = scored(rejudged(run, "guessing"), lambda *_: generator.uniform(0, 100))
    # The order in which the runs are named has no effect.
    (found,) = evidence_effects(Dataset(runs=(guessed, by_rate(run))), FEW)
    for effect in (found.overall, *found.judges):
        assert effect.accuracy.shown == 1
        assert effect.accuracy.hidden == pytest.approx(0, abs=0.35)
        assert effect.accuracy.low is not None
        assert effect.accuracy.low > 0.3
        assert effect.inverted.shown == 0
        assert effect.inverted.difference is not None
        assert effect.inverted.difference < -0.2
        assert effect.inverted.high is not None
        assert effect.inverted.high < 0
    assert found.agreement.low is not None
    assert found.agreement.low > 0


def test_a_small_example_by_hand() -> None:
    plain = league_run(Recipe(n=3, subject="programming", judges=["model-a"]))
    letters = {"model-a": "W...", "model-b": "....", "model-c": "..WW"}
    run = executed(plain, lambda _, name: letters[name])
    first = scored(run, lambda _, __, name, ___: {"model-b": 90, "model-c": 40}.get(name, 0))
    second = scored(run, lambda _, __, name, ___: {"model-b": 50, "model-c": 60}.get(name, 0))
    (found,) = evidence_effects(Dataset(runs=(first, rejudged(second, "again"))))
    (judge,) = found.judges
    # As setter of round 1 it scores b and c, then c in round 2 and b in round 3.
    assert judge.scores == 4
    assert judge.distance == (40 + 20 + 20 + 40) / 4
    assert (judge.tau, judge.tau_pairs) == (-1, 1)
    assert (judge.accuracy.shown, judge.accuracy.hidden, judge.accuracy.difference) == (1, -1, 2)
    assert (judge.inverted.shown, judge.inverted.hidden, judge.inverted.pairs) == (0, 1, 1)
    # One question with a pair cannot say how others would go.
    assert judge.accuracy.low is None
    assert (found.agreement.shown, found.agreement.pairs) == (None, 0)


def test_only_scores_that_both_have_are_compared() -> None:
    holes = Holes(judgments=[(1, "model-b"), (2, "model-c")])
    whole = base(n=4, cycles=1)
    partial = league_run(Recipe(n=4, cycles=1, subject="programming", programs=True, holes=holes))
    other = replace(rejudged(partial, "again"), judges=("model-a", "model-b", "model-c"))
    (found,) = evidence_effects(Dataset(runs=(whole, other)), FEW)
    scores = {judge.judge: judge.scores for judge in found.judges}
    assert scores == {"model-a": 9, "model-b": 7, "model-c": 7}


def test_unverified_questions_count_for_agreement_and_not_for_accuracy() -> None:
    plain = league_run(Recipe(n=4, subject="programming"))
    letters = drawn_verdicts(plain, lambda _: 0.5)
    run = executed(plain, letters, checks_of([1, 2, 3, 4]))
    (found,) = evidence_effects(Dataset(runs=(run, rejudged(run, "again"))), FEW)
    assert found.overall.tau == 1
    assert (found.overall.accuracy.shown, found.overall.accuracy.pairs) == (None, 0)
    assert found.overall.accuracy.difference is None
    assert found.agreement.pairs > 0


def test_other_differences_are_named() -> None:
    run = base(n=3, cycles=1)
    other = replace(rejudged(run, "again"), order="fixed", seed=9)
    (found,) = evidence_effects(Dataset(runs=(run, other)), FEW)
    assert found.also == ("order", "seed")
    warmer = [
        replace(p, settings={"temperature": "2"}) if p.id == "model-b" else p
        for p in run.participants
    ]
    other = replace(
        rejudged(run, "again"),
        prompts_sha256="b" * 64,
        server_version="9",
        participants=tuple(warmer),
    )
    (found,) = evidence_effects(Dataset(runs=(run, other)), FEW)
    assert found.also == (
        "prompts",
        "version of the server",
        "model or settings of model-b",
    )
    # Who does not judge has no say in it.
    other = replace(other, judges=("model-a", "model-c"))
    (found,) = evidence_effects(Dataset(runs=(run, other)), FEW)
    assert found.also == ("prompts", "version of the server")


def test_an_answer_that_one_judging_did_not_have_is_named() -> None:
    run = base(n=4, cycles=1)
    fewer = league_run(
        Recipe(
            n=4,
            cycles=1,
            subject="programming",
            programs=True,
            holes=Holes(answers=[(1, "model-b"), (3, "model-a")]),
        )
    )
    (found,) = evidence_effects(Dataset(runs=(run, rejudged(fewer, "again"))), FEW)
    assert found.also == ("answers that judges were shown in rounds 1 and 3",)


def test_runs_of_other_answers_are_not_compared() -> None:
    run = base(n=3, cycles=1)
    stranger = replace(run, id="stranger", evidence="hidden")
    assert evidence_effects(Dataset(runs=(run, stranger))) == ()
    assert evidence_effects(Dataset(runs=(run,))) == ()
    assert evidence_effects(Dataset(runs=(run, rejudged(run, "same", "shown")))) == ()
    math = league_run(Recipe(n=3))
    assert evidence_effects(Dataset(runs=(math, replace(math, id="b", source_run=math.id)))) == ()
