"""Scores and standings: against the published tables, by identity and by property."""

import csv
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.dataset import Dataset, Judgment, Mark
from analysis.scores import (
    RoundScore,
    answer_score,
    points_sum,
    question_score,
    round_scores,
    setter_answerer_matrix,
    standings,
    standings_of,
    tie_sentence,
)
from tests.support.datasets import OK, Holes, Recipe, league, league_run

GOLDEN = Path(__file__).parents[1] / "golden"


def table(name: str) -> Iterator[dict[str, str]]:
    with (GOLDEN / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def published_rows() -> list[RoundScore]:
    return [
        RoundScore(
            run=line["experiment"],
            round=int(line["round"]),
            setter=line["question_setter"],
            answerer=line["answerer"],
            value=float(line["mean_score"]),
            marks=7,
            expected=7,
        )
        for line in table("programming_round_scores.csv")
    ]


def full_name(short: str, names: set[str]) -> str:
    (found,) = (name for name in names if name.startswith(short))
    return found


def test_published_programming_averages() -> None:
    rows = published_rows()
    names = {row.answerer for row in rows}
    assert len(rows) == 168
    lines = list(table("programming_summary.csv"))
    assert len(lines) == 8
    for line in lines:
        model = full_name(line["model"], names)
        answer, question = answer_score(rows, model), question_score(rows, model)
        assert answer.value == pytest.approx(float(line["answer_average_score"]), abs=1e-9)
        assert question.value == pytest.approx(float(line["question_average_score"]), abs=1e-9)
        assert (answer.n, question.n) == (21, 21)


def test_published_standard_errors() -> None:
    rows = published_rows()
    names = sorted({row.answerer for row in rows})
    found = {s.model: s for s in standings_of(rows, names, resamples=50)}
    expected = {"gemini": 2.65, "gpt": 4.05, "deepseek-r1": 3.57, "claude": 3.07, "o1": 4.69}
    for start, error in expected.items():
        standing = found[full_name(start, set(names))]
        assert standing.standard_error == pytest.approx(error, abs=0.005)


def test_published_setter_answerer_matrix() -> None:
    matrix = setter_answerer_matrix(published_rows())
    assert matrix["o3-mini", "gpt-4.1"].value == pytest.approx(91.95, abs=0.005)
    assert matrix["deepseek-v3", "gemini-2.5-pro-exp-03-25"].value == pytest.approx(94, abs=0.005)
    assert ("o1", "o1") not in matrix


def test_published_mathematics_means() -> None:
    rows = [
        RoundScore(
            run="1",
            round=number,
            setter=line["question_setter"],
            answerer=line["answerer"],
            value=float(line["mean_score"]),
        )
        for number, line in enumerate(table("math_mean_scores.csv"))
    ]
    points = {
        "gpt-4.1": 643,
        "o3-mini": 284,
        "o1": 293,
        "claude-3-7-sonnet": 503,
        "deepseek-r1": 566,
        "deepseek-v3": 606,
        "qwen2.5-max": 365,
        "gemini-2.5-pro-exp": 773,
    }
    for model, total in points.items():
        # Three runs of seven judges, seven rounds answered in each.
        assert answer_score(rows, model).value == pytest.approx(total / 147, abs=1e-6)


def test_identities_of_unanimous_complete_data() -> None:
    dataset = league(Recipe(n=8))
    found = standings(dataset)
    assert found[0].answer_score == 6.0
    assert found[-1].answer_score == pytest.approx(6 / 7)
    assert [s.place for s in found] == list(range(1, 9))
    rows = round_scores(dataset)
    for round_ in range(1, 9):
        assert sum(row.total for row in rows if row.round == round_) == 168
    per_judge = {judgment.judge: 0.0 for judgment in dataset.runs[0].rounds[0].judgments}
    for judgment in dataset.runs[0].rounds[0].judgments:
        per_judge[judgment.judge] += sum(mark.points or 0 for mark in judgment.marks)
    assert set(per_judge.values()) == {21.0}
    assert sum(s.marks for s in found) == sum(s.planned for s in found) == 392
    assert sum(points_sum(rows, s.model) for s in found) == 1344
    assert all(s.coverage == 1 for s in found)


def test_a_lost_judgment_is_never_a_zero() -> None:
    whole = {s.model: s for s in standings(league(Recipe(subject="programming")))}
    holes = Holes(judgments=[(1, "model-c"), (2, "model-a")])
    partial = {s.model: s for s in standings(league(Recipe(subject="programming", holes=holes)))}
    for model, standing in partial.items():
        assert standing.answer_score == whole[model].answer_score
    assert partial["model-b"].marks == whole["model-b"].marks - 1
    assert partial["model-b"].planned == whole["model-b"].planned


def test_coverage_counts_missing_answers_and_void_rounds() -> None:
    holes = Holes(answers=[(2, "model-a")], void=[3])
    found = {s.model: s for s in standings(league(Recipe(n=4, holes=holes)))}
    # Three rounds to answer with three judges each; one refused, one void.
    assert (found["model-a"].marks, found["model-a"].planned) == (3, 9)
    assert found["model-a"].rounds == 1
    assert found["model-a"].low is None
    assert found["model-a"].standard_error is None


def test_marks_that_cannot_be_are_left_out() -> None:
    dataset = league(Recipe(n=3))
    run = dataset.runs[0]
    first = run.rounds[0]
    marks = (
        Mark(answerer="model-a", points=1.0),
        Mark(answerer="model-b", points=1.0),
        Mark(answerer="model-b", points=0.0),
        Mark(answerer="model-c", points=math.nan),
        Mark(answerer="stranger", points=1.0),
    )
    judgments = (
        Judgment(judge="model-c", result=OK, marks=marks),
        Judgment(judge="stranger", result=OK, marks=marks),
    )
    changed = replace(run, rounds=(replace(first, judgments=judgments), *run.rounds[1:]))
    rows = round_scores(Dataset(runs=(changed,)))
    by_answerer = {row.answerer: row for row in rows if row.round == 1}
    assert (by_answerer["model-b"].marks, by_answerer["model-b"].value) == (1, 1.0)
    assert (by_answerer["model-c"].marks, by_answerer["model-c"].value) == (0, None)
    assert "model-a" not in by_answerer


def test_ties_share_the_better_place() -> None:
    rows = [
        RoundScore(run="1", round=1, setter="d", answerer=name, value=value)
        for name, value in (("a", 0.1 + 0.2), ("b", 0.3), ("c", 0.1))
    ]
    found = standings_of(rows, ["a", "b", "c", "d"])
    assert [(s.model, s.place) for s in found] == [("a", 1), ("b", 1), ("c", 3), ("d", None)]
    assert tie_sentence(found) == "a and b share the lead."


def test_tie_sentences() -> None:
    assert "nobody leads" in tie_sentence(
        standings(league(Recipe(n=3, holes=Holes(void=[1, 2, 3]))))
    )
    clear = league(Recipe(n=4, cycles=3, subject="programming", noise=0.02))
    assert tie_sentence(standings(clear)).startswith("model-a leads, and nobody else")
    names = [f"m{i}" for i in range(4)]
    abilities = dict.fromkeys(names, 0.5)
    close = Recipe(names=names, abilities=abilities, noise=0.3, subject="programming")
    assert "cannot be told apart" in tie_sentence(standings(league(close)))
    assert "nothing was resampled" in tie_sentence(standings(clear, resamples=0))


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ([(9, 1)], "too few rounds to tell, 1 round behind a score."),
        ([(9, 1), (8, 2)], "too few rounds to tell, 2 rounds behind a score."),
        # A bootstrap of equal values says nothing, however many there are.
        ([(9, 1)] * 4, "the score of a and b is the same in every round, so there is no interval."),
        ([(9, 1), (9, 2), (9, 1)], "the score of a is the same in every round"),
        ([(9, 1), (8, 2), (9, 1)], "nobody else is within its 95 % interval. With 3 rounds"),
        ([(9, 1), (1, 8), (9, 3)], "a leads, but on these questions b cannot be told apart from"),
        ([(9, 1), (8, 2), (9, 3)] * 3, "a leads, and nobody else is within its 95 % interval."),
    ],
)
def test_a_lead_is_sure_only_where_rounds_can_show_it(
    scores: list[tuple[float, float]], told: str
) -> None:
    rows = [
        RoundScore(run="1", round=index, setter="c", answerer=name, value=value)
        for index, pair in enumerate(scores, 1)
        for name, value in zip("ab", pair, strict=True)
    ]
    found = standings_of(rows, ["a", "b", "c"])
    said = tie_sentence(found)
    assert said.startswith("a leads, ")
    assert told in said
    sure = "nobody else" in said
    assert not sure or all(s.low is not None for s in found if s.rounds)


def test_equal_scores_have_no_interval_of_no_width() -> None:
    rows = [
        RoundScore(run="1", round=index, setter="c", answerer=name, value=value)
        for index in range(1, 6)
        for name, value in (("a", 7.0), ("b", 2.0 * index))
    ]
    a, b, _ = standings_of(rows, ["a", "b", "c"])
    assert (a.low, a.high) == (None, None)
    assert b.low is not None
    # Others change, and its place with them.
    assert (a.best, a.worst) == (1, 2)


def test_unseparated_models_have_wide_places() -> None:
    rows = published_rows()
    found = standings_of(rows, sorted({row.answerer for row in rows}))
    places = {s.place: (s.best, s.worst) for s in found}
    assert places[1] == (1, 1)
    assert {places[6], places[7], places[8]} == {(6, 8)}
    for s in found:
        assert s.low is not None
        assert s.high is not None
        assert s.answer_score is not None
        assert s.low <= s.answer_score <= s.high


leagues = st.builds(
    lambda n, subject, noise, seed, lost: league(
        Recipe(
            n=n,
            subject=subject,
            noise=noise,
            seed=seed,
            holes=Holes(judgments=[(r, f"model-{chr(97 + j % n)}") for r, j in lost]),
        )
    ),
    n=st.integers(3, 6),
    subject=st.sampled_from(["math", "programming"]),
    noise=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 1000),
    lost=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), max_size=30),
)


@settings(max_examples=40, deadline=None)
@given(leagues, st.randoms(use_true_random=False))
def test_order_changes_nothing(dataset: Dataset, generator: random.Random) -> None:
    run = dataset.runs[0]
    rounds = []
    for round_ in run.rounds:
        judgments = [
            replace(j, marks=tuple(generator.sample(j.marks, len(j.marks))))
            for j in round_.judgments
        ]
        generator.shuffle(judgments)
        rounds.append(replace(round_, judgments=tuple(judgments)))
    generator.shuffle(rounds)
    shuffled = Dataset(runs=(replace(run, rounds=tuple(rounds)),))
    assert standings(shuffled, resamples=50) == standings(dataset, resamples=50)


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 6), st.integers(0, 1000), st.randoms(use_true_random=False))
def test_new_names_change_only_names(n: int, seed: int, generator: random.Random) -> None:
    names = [f"model-{chr(97 + i)}" for i in range(n)]
    renamed = generator.sample(names, n)
    abilities = {name: generator.random() for name in names}
    new = dict(zip(names, renamed, strict=True))
    before = Recipe(names=names, abilities=abilities, noise=0.2, seed=seed)
    after = replace(
        before, names=renamed, abilities={new[name]: a for name, a in abilities.items()}
    )
    first = standings(league(before), resamples=50)
    second = standings(league(after), resamples=50)
    assert {new[s.model]: replace(s, model="") for s in first} == {
        s.model: replace(s, model="") for s in second
    }


@settings(max_examples=40, deadline=None)
@given(leagues)
def test_missing_marks_are_never_zero(dataset: Dataset) -> None:
    for row in round_scores(dataset):
        assert (row.value is None) == (row.marks == 0)
        assert row.marks <= row.expected
    for s in standings(dataset, resamples=20):
        numbers = (s.answer_score, s.question_score, s.low, s.high, s.standard_error, s.total)
        assert all(math.isfinite(number) for number in numbers if number is not None)


def test_runs_are_kept_apart() -> None:
    one, two = league_run(Recipe(id="one")), league_run(Recipe(id="two", noise=0.5, seed=3))
    both, swapped = Dataset(runs=(one, two)), Dataset(runs=(two, one))
    assert standings(both, resamples=50) == standings(swapped, resamples=50)
    assert standings(both, resamples=0)[0].planned == 18
