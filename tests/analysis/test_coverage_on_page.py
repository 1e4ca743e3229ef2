"""The coverage of a run on the page, in run.json and under the charts."""

import re
from dataclasses import replace

from analysis.dataset import Dataset
from analysis.page import page
from analysis.pooling import pooling_notes
from analysis.report import build_report, charts_of, findings_of
from analysis.run_json import run_json
from analysis.views import failure_views, grids
from tests.support.datasets import Holes, Recipe, league, league_run

HOLES = Holes(
    judgments=[(1, "model-a"), (3, "model-a")],
    answers=[(2, "model-c")],
    void=[4],
    mended=[(1, "model-b")],
    reasked=[(1, "model-c")],
)


def html_of(dataset: Dataset) -> str:
    return page(dataset, findings_of(dataset), []).decode()


def test_the_warning_stands_above_everything_else() -> None:
    html = html_of(league(Recipe(n=4, holes=HOLES)))
    body = html[html.index("<body>") :]
    assert body.index("Incomplete.") < body.index("<header>") < body.index("<h1>")
    assert "Incomplete" not in html_of(league(Recipe(n=4)))


def test_all_but_one_mark_is_not_all() -> None:
    """287 of 288 marks: 99.65 % is never told as 100 %."""
    dataset = league(Recipe(n=3, cycles=24))
    (run,) = dataset.runs
    first, *others = run.rounds
    judge, *judges = first.judgments
    shorter = replace(judge, marks=judge.marks[1:])
    rounds = (replace(first, judgments=(shorter, *judges)), *others)
    html = html_of(Dataset(runs=(replace(run, rounds=rounds),)))
    assert "287 of 288 planned marks (99.7 %)" in html
    assert "(100 %)" not in html


def test_the_matrix_has_every_round_of_every_role() -> None:
    dataset = league(Recipe(n=8, cycles=5, holes=Holes(judgments=[(40, "model-h")])))
    found = grids(dataset, findings_of(dataset).coverage)
    assert [(grid.role, grid.who) for grid in found] == [
        ("question", "Setter"),
        ("answer", "Answerer"),
        ("judgment", "Judge"),
    ]
    for grid in found:
        assert grid.rounds == tuple(range(1, 41))
        assert [len(cells) for _, cells in grid.rows] == [40] * 8
        # One character in each, so that forty rounds fit.
        assert all(len(cell.symbol) <= 1 for _, cells in grid.rows for cell in cells)
    last = found[2].rows[7][1][39]
    assert (last.symbol, last.look) == ("U", "missing")
    assert last.title == "Round 40: missing: unreadable, duplicate_label. A label was ranked twice."


def test_each_cell_of_the_matrix_has_its_words() -> None:
    html = html_of(league(Recipe(n=4, holes=HOLES)))
    tables = re.findall(r'<table class="states">.*?</table>', html, re.DOTALL)
    assert len(tables) == 3
    for table in tables:
        for cell in re.findall(r"<td.*?</td>", table, re.DOTALL):
            assert re.search(r'<span class="hidden">\S', cell)
            assert 'aria-hidden="true"' in cell


def test_who_does_not_judge_has_no_row_as_a_judge() -> None:
    dataset = league(Recipe(n=4, judges=["model-a", "model-b"]))
    judgments = grids(dataset, findings_of(dataset).coverage)[2]
    assert [name for name, _ in judgments.rows] == ["model-a", "model-b"]


def test_failures_name_their_rounds_and_runs() -> None:
    one = league(Recipe(n=4, holes=HOLES))
    views = failure_views(one, findings_of(one).coverage)
    assert [(v.failure.participant, v.rounds) for v in views] == [
        ("model-a", "1, 3"),
        ("model-c", "2"),
        ("model-d", "4"),
    ]
    two = Dataset(runs=(one.runs[0], league_run(Recipe(n=4, id="run-2", holes=HOLES))))
    views = failure_views(two, findings_of(two).coverage)
    assert views[0].rounds == "run-1: 1, 3; run-2: 1, 3"
    assert views[0].failure.count == 4


def test_charts_say_how_little_arrived() -> None:
    for holes, is_told in ((HOLES, True), (Holes(), False)):
        dataset = league(Recipe(n=4, holes=holes))
        for chart in charts_of(dataset, findings_of(dataset)).values():
            told = "Incomplete: only " in str(chart.to_dict()["title"])
            assert told is is_told


def test_run_json_has_the_warning_and_the_totals() -> None:
    dataset = league(Recipe(n=4, holes=HOLES))
    found = findings_of(dataset)
    content = run_json(dataset, found)
    assert content["coverage_warning"] == found.coverage.warning != ""
    totals = content["coverage"]["totals"]
    assert len(totals) == 12
    assert totals[0]["planned"] == 1
    assert content["coverage"]["failures"][0]["rounds"] == [["run-1", 1], ["run-1", 3]]


def test_leagues_of_different_size_are_told_to_mix_scales() -> None:
    dataset = Dataset(runs=(league_run(Recipe(n=4)), league_run(Recipe(n=5, id="run-2"))))
    (note,) = pooling_notes(dataset)
    assert "4 and 5 participants" in note
    assert "mean share" in note
    files = build_report(dataset)
    assert note in files["report.html"].decode()
    assert note in files["run.json"].decode()
    same = Dataset(runs=(league_run(Recipe(n=4)), league_run(Recipe(n=4, id="run-2"))))
    assert pooling_notes(same) == ()
    # Scores out of 100 do not depend on the size.
    scores = Dataset(
        runs=(
            league_run(Recipe(n=4, subject="programming")),
            league_run(Recipe(n=5, subject="programming", id="run-2")),
        )
    )
    assert pooling_notes(scores) == ()


def test_a_run_with_its_judging_again_counts_questions_twice_and_says_so() -> None:
    first = league_run(Recipe(n=4))
    again = replace(league_run(Recipe(n=4, id="again-1", noise=0.3)), source_run="run-1")
    (note,) = pooling_notes(Dataset(runs=(first, again)))
    assert note.startswith("run-1 and again-1 judge the same answers")
    assert "counts twice" in note
    third = replace(again, id="again-2")
    (note,) = pooling_notes(Dataset(runs=(again, third)))
    assert note.startswith("again-1 and again-2")
    assert pooling_notes(Dataset(runs=(again,))) == ()


def test_a_reply_that_was_asked_for_again_tells_why() -> None:
    html = " ".join(html_of(league(Recipe(n=4, holes=HOLES))).split())
    assert re.search(r"asked again 1.{1,4} <bdi>A label was ranked twice\.</bdi>", html)
    assert "reply mended" in html
    title = "Round 1: usable after asking again. A label was ranked twice."
    assert title in html
