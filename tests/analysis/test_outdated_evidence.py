"""Judgments whose evidence an answer changed that came after them: said, and held against nobody."""

import io
from collections.abc import Collection
from dataclasses import replace

import openpyxl
from rich.console import Console

from analysis.accuracy import accuracy
from analysis.dataset import Dataset, Run
from analysis.evidence_effect import evidence_effects
from analysis.page import page
from analysis.report import findings_of
from analysis.resampling import Drawing
from analysis.verdict_words import OUTDATED
from analysis.workbook import workbook
from client.run_text import round_text
from tests.support.datasets import Recipe, league_run
from tests.support.programs import executed, rejudged, scored

NO_DRAWS = Drawing(resamples=0)


def outdated(run: Run, rounds: Collection[int]) -> Run:
    """Returns a run in whose rounds of these numbers every judge saw other evidence."""
    return replace(
        run,
        rounds=tuple(
            replace(
                round_,
                judgments=tuple(
                    replace(each, evidence_outdated=round_.index in rounds)
                    for each in round_.judgments
                ),
            )
            for round_ in run.rounds
        ),
    )


def played() -> Run:
    """Judges that are right in every round but the first."""
    run = league_run(Recipe(n=4, subject="programming"))
    run = executed(run, lambda _, name: "...." if name in ("model-a", "model-b") else "W...")
    return scored(run, lambda i, _, __, rate: 100 * ((rate or 0.0) if i > 1 else 1 - (rate or 0.0)))


def test_they_are_left_out_of_accuracy_and_counted() -> None:
    run = played()
    before, after = (
        accuracy(Dataset(runs=(each,)), NO_DRAWS) for each in (run, outdated(run, [1]))
    )
    assert {judge.tau for judge in before.judges} != {1}
    assert {judge.tau for judge in after.judges} == {1}
    assert [judge.outdated for judge in after.judges] == [3, 2, 2, 2]
    for one, other in zip(before.judges, after.judges, strict=True):
        assert one.scores == other.scores + other.outdated
        assert (one.left_out, other.left_out) == (0, other.outdated)


def test_they_say_nothing_of_the_effect_of_evidence() -> None:
    shown, hidden = outdated(played(), [1]), rejudged(played(), "blindfold")
    (found,) = evidence_effects(Dataset(runs=(shown, hidden)), NO_DRAWS)
    assert (found.outdated, found.questions) == (9, 3)
    assert found.overall.accuracy.shown == found.overall.accuracy.hidden == 1


def test_the_page_and_the_workbook_say_so() -> None:
    dataset = Dataset(runs=(outdated(played(), [1]),))
    text = page(dataset, findings_of(dataset), []).decode()
    assert text.count("· evidence outdated") == text.count(OUTDATED) == 4
    assert "and 9 scores given before an answer came" in text
    book = openpyxl.load_workbook(io.BytesIO(workbook(dataset)))
    header, *rows = book["Judgments"].iter_rows(values_only=True)
    said = [row[header.index("Evidence outdated")] for row in rows]
    assert (said.count("yes"), said.count(None)) == (9, 27)
    header, *rows = book["Judge Accuracy"].iter_rows(values_only=True)
    assert [row[header.index("Left out: evidence outdated")] for row in rows] == [3, 2, 2, 2]


def test_without_them_nothing_is_said_of_them() -> None:
    dataset = Dataset(runs=(played(),))
    text = page(dataset, findings_of(dataset), []).decode()
    assert "outdated" not in text
    assert "given before an answer came" not in text


def test_the_terminal_says_so_beside_the_judgment() -> None:
    first, second, *_ = outdated(played(), [1]).rounds
    said = []
    for round_ in (first, second):
        console = Console(file=io.StringIO(), width=200)
        console.print(*round_text(round_), sep="\n")
        said.append(console.file.getvalue().count(OUTDATED))  # type: ignore[attr-defined]
    assert said == [4, 0]
