"""Pass rates: by hand, with their n, and apart from what judges thought."""

from dataclasses import replace

from analysis.dataset import Dataset, QuestionCheck
from analysis.intervals import wilson
from analysis.pass_rates import answer_rate, model_runs, pass_rates
from analysis.resampling import Drawing
from analysis.scores import standings
from tests.support.datasets import Holes, Recipe, league_run
from tests.support.programs import VERIFIED, executed, execution, rejudged, scored

NAMES = ("model-a", "model-b", "model-c")
LETTERS = {
    (1, "model-b"): "....", (1, "model-c"): "..WT",
    (2, "model-a"): "C", (2, "model-c"): "SSSS",
    (3, "model-a"): "M.SS", (3, "model-b"): "....",
}  # fmt: skip


def dataset(holes: Holes = Holes()) -> Dataset:  # noqa: B008  frozen
    run = league_run(Recipe(n=3, subject="programming", holes=holes))
    return Dataset(runs=(executed(run, lambda index, name: LETTERS[index, name]),))


def test_means_over_the_rounds_that_have_one() -> None:
    a, b, c = pass_rates(dataset())
    # Nothing compiled passes nothing; where the sandbox failed nothing is known.
    assert (a.value, a.rounds, a.answered, a.not_compiled) == (0.25, 2, 2, 1)
    assert (b.value, b.rounds, b.perfect) == (1, 2, 2)
    assert (c.value, c.rounds, c.answered) == (0.5, 1, 2)
    assert (a.low, a.high) == (0, 0.5)
    # One round says nothing of how others would have gone.
    assert c.low is None
    # Two that are all alike say little, and a bootstrap of them would say all.
    assert (b.low, b.high) == wilson(1, 2)
    assert b.low is not None
    assert b.low < 0.5


def test_a_missing_answer_has_no_pass_rate() -> None:
    (a, *_) = pass_rates(dataset(Holes(answers=[(2, "model-a")])))
    assert (a.value, a.rounds, a.answered) == (0.5, 1, 1)


def test_a_disputed_case_is_in_no_figure() -> None:
    check = replace(VERIFIED, disputed=("2",))
    run = league_run(Recipe(n=3, subject="programming"))
    run = executed(run, lambda *_: ".WTT", lambda _: check)
    found = Dataset(runs=(run,))
    assert {rate.value for rate in pass_rates(found)} == {1 / 3}
    assert model_runs(found)[0].verdicts == {"accepted": 2, "time_limit": 4}


def test_verdicts_are_counted_case_by_case() -> None:
    a, b, c = model_runs(dataset())
    # A program that does not compile fails on each case that it was to be run on.
    assert a.verdicts == {
        "compile_error": 4,
        "memory_limit": 1,
        "accepted": 1,
        "sandbox_error": 2,
    }
    assert b.verdicts == {"accepted": 8}
    assert c.verdicts == {"accepted": 2, "wrong_answer": 1, "time_limit": 1, "sandbox_error": 4}
    # Times and memory are those of accepted cases alone.
    assert a.cpu_s == (0.02,)
    assert len(b.cpu_s) == len(b.memory_bytes) == 8


def test_answers_that_are_judged_twice_count_once() -> None:
    (run,) = dataset().runs
    again = rejudged(run, "again")
    both = Dataset(runs=(run, again))
    assert pass_rates(both) == pass_rates(Dataset(runs=(run,)))
    assert model_runs(both) == model_runs(Dataset(runs=(run,)))
    # Without the run that it judges again its own copy is all there is.
    assert pass_rates(Dataset(runs=(again,))) == pass_rates(Dataset(runs=(run,)))
    third = replace(again, id="third", source_run="again")
    assert pass_rates(Dataset(runs=(again, third, run))) == pass_rates(both)
    circle = replace(run, source_run="again")
    assert pass_rates(Dataset(runs=(circle, again)))


def test_judges_scores_and_pass_rates_are_never_mixed() -> None:
    (run,) = dataset().runs
    bare = replace(
        run,
        rounds=tuple(
            replace(r, answers=tuple(replace(a, execution=None) for a in r.answers))
            for r in run.rounds
        ),
    )
    assert standings(Dataset(runs=(run,))) == standings(Dataset(runs=(bare,)))
    assert pass_rates(Dataset(runs=(bare,))) == ()
    other = scored(run, lambda *_: 3.0)
    assert pass_rates(Dataset(runs=(other,))) == pass_rates(Dataset(runs=(run,)))


def test_the_interval_holds_the_mean_and_narrows() -> None:
    small = Recipe(n=4, cycles=2, subject="programming", programs=True)
    widths = []
    for recipe in (small, replace(small, cycles=20)):
        found = pass_rates(Dataset(runs=(league_run(recipe),)), Drawing(resamples=300))
        for rate in found:
            assert rate.value is not None
            assert rate.low is not None
            assert rate.high is not None
            assert 0 <= rate.low <= rate.value <= rate.high <= 1
        middle = found[1]
        widths.append((middle.high or 0) - (middle.low or 0))
    assert widths[1] < widths[0]


def test_no_kept_case_is_no_pass_rate() -> None:
    none = QuestionCheck(verified=False)
    assert execution("C", none).pass_rate is None
    run = league_run(Recipe(n=3, subject="programming"))
    run = executed(run, lambda *_: "C", lambda _: none)
    found = pass_rates(Dataset(runs=(run,)))
    assert {(r.value, r.rounds, r.not_compiled) for r in found} == {(None, 0, 2)}
    assert answer_rate(run.rounds[0].answers[0]) is None
