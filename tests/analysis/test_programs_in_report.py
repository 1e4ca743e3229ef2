"""What programs did, in every part of a report: page, charts, workbook and run.json."""

import io
import json
import re
from dataclasses import replace
from typing import Any

import openpyxl
import pytest

from analysis.dataset import Dataset, Run
from analysis.page import page
from analysis.pass_rates import VERDICTS
from analysis.report import build_report, charts_of, findings_of
from analysis.run_json import run_json
from analysis.style import VERDICT_COLORS
from analysis.views import DASH
from analysis.workbook import workbook
from tests.support.datasets import Holes, Recipe, league, league_run
from tests.support.programs import (
    UNVERIFIED,
    VERIFIED,
    drawn_verdicts,
    executed,
    rejudged,
    scored,
)

PROGRAM_CHARTS = ("pass-rates", "verdicts", "resources", "judge-accuracy")
HOSTILE = "</td></section><script>alert(1)</script>=1+1\x1b[2J"


def played() -> Run:
    """A run with a question unverified, a case disputed, and a program that did not compile."""
    recipe = Recipe(n=4, subject="programming", noise=0.2)
    run = league_run(recipe)
    letters = drawn_verdicts(run, recipe.ability)
    checks = {2: UNVERIFIED, 3: replace(VERIFIED, disputed=("3",), repairs=1, detail="Mended.")}
    return executed(
        run,
        lambda index, name: "C" if (index, name) == (4, "model-a") else letters(index, name),
        lambda index: checks.get(index, VERIFIED),
    )


def both() -> Dataset:
    run = scored(played(), lambda _, __, ___, rate: 100 * (rate or 0.0))
    hidden = scored(rejudged(run, "blindfold"), lambda *_: 50.0)
    return Dataset(runs=(run, hidden))


def html(dataset: Dataset) -> str:
    return page(dataset, findings_of(dataset), []).decode()


def table(text: str, label: str) -> list[list[str]]:
    """Returns the cells of a table of the page."""
    found = re.search(rf'aria-label="{label}">\s*<table.*?</table>', text, re.DOTALL)
    assert found is not None
    rows = re.findall(r"<tr.*?</tr>", found[0], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[re.sub("<.*?>", "", cell).strip() for cell in row] for row in cells]


def rows(book: Any, title: str) -> list[dict[str, Any]]:
    header, *body = list(book[title].iter_rows(values_only=True))
    return [dict(zip(header, row, strict=True)) for row in body]


def test_pass_rates_stand_beside_the_standings_and_change_nothing() -> None:
    run = played()
    text = html(Dataset(runs=(run,)))
    standings = table(text, "Standings")
    at = standings[0].index("Pass rate")
    rates = {rate.model: rate for rate in findings_of(Dataset(runs=(run,))).programs.rates}  # type: ignore[union-attr]
    for row in standings[1:]:
        assert row[at].endswith(" %")
        whole = rates[row[1]].value
        assert whole is not None
        assert float(row[at].split()[0]) == pytest.approx(100 * whole, abs=0.1)
    assert "Pass rate" not in html(league(Recipe(n=4)))


def test_the_page_tells_checks_verdicts_and_accuracy() -> None:
    text = html(Dataset(runs=(played(),)))
    checks = table(text, "Checks of questions")
    assert checks[2][2:7] == ["unverified", "0", "1", "0", "2"]
    assert "dropped 1: the reference ran into the time limit" in checks[2][7]
    assert checks[3][2:7] == ["verified", "4", "0", "1", "1"]
    accuracy = table(text, "Accuracy of judges")
    assert [row[0] for row in accuracy[1:]] == [f"model-{c}" for c in "abcd"]
    assert "1 left out as unverified" in text
    assert "Kendall" in text
    verdicts = table(text, "Cases by verdict")
    assert "Compile error" in verdicts[0]
    for row in verdicts[1:]:
        assert sum(map(int, row[1:-1])) == int(row[-1])
    assert "compile error, passes no case" in text
    assert "D disputed, counts for nothing" in text
    assert 'id="evidence"' not in text


def test_both_runs_together_tell_what_evidence_changes() -> None:
    text = html(both())
    effect = table(text, "Effect of evidence")
    overall = effect[2]
    assert overall[0] == "All judges"
    # By pass rate with evidence, all the same without: right, and no order at all.
    assert overall[4:6] == ["1.00", DASH]
    assert 'href="#evidence"' in text
    assert "differ in" not in text
    (run, hidden) = both().runs
    other = html(Dataset(runs=(run, replace(hidden, order="fixed"))))
    assert "The two runs differ in order as well" in other
    # Accuracy is told of each apart: all alike orders no pair.
    accuracy = table(text, "Accuracy of judges")
    assert [row[:3:2] for row in accuracy[1:5]] == [[f"model-{c}", "1.00"] for c in "abcd"]
    assert [row[1] for row in accuracy] == ["Evidence", *["shown"] * 4, *["hidden"] * 4]
    assert {row[2] for row in accuracy[5:]} == {DASH}
    sheet = rows(opened(both()), "Judge Accuracy")
    assert [row["Evidence"] for row in sheet] == [*["shown"] * 4, *["hidden"] * 4]
    told = run_json(both(), findings_of(both()))["programs"]["accuracy"]["judges"]
    assert [judge["evidence"] for judge in told] == [row["Evidence"] for row in sheet]
    bars = charts_of(both(), findings_of(both()))["judge-accuracy"].to_dict()
    assert "model-a (hidden)" in json.dumps(bars)
    # Questions that two runs judge are listed once.
    assert len(table(text, "Checks of questions")) == 1 + 4


def test_charts_of_programs_come_with_programs_alone() -> None:
    dataset = Dataset(runs=(played(),))
    assert set(PROGRAM_CHARTS) < set(charts_of(dataset, findings_of(dataset)))
    for bare in (league(Recipe(n=4)), league(Recipe(n=4, subject="programming"))):
        assert not set(PROGRAM_CHARTS) & set(charts_of(bare, findings_of(bare)))


def test_where_no_reference_holds_there_is_a_report_all_the_same() -> None:
    run = league_run(Recipe(n=3, subject="programming"))
    nothing = executed(run, lambda *_: "C", lambda _: UNVERIFIED)
    files = build_report(Dataset(runs=(nothing,)))
    assert not {name for name in files for chart in PROGRAM_CHARTS if chart in name}
    assert b"unverified" in files["report.html"]


def test_shares_of_verdicts_add_up() -> None:
    dataset = Dataset(runs=(played(),))
    spec = charts_of(dataset, findings_of(dataset))["verdicts"].to_dict()
    bars = spec["layer"][0]["data"]["values"]
    for name in {bar["model"] for bar in bars}:
        assert sum(bar["share"] for bar in bars if bar["model"] == name) == pytest.approx(1)
    assert set(VERDICT_COLORS) == set(VERDICTS)
    assert len(set(VERDICT_COLORS.values())) == len(VERDICTS)


def test_a_verdict_of_the_future_has_a_bar() -> None:
    run = played()
    (first, *others) = run.rounds
    execution = first.answers[0].execution
    assert execution is not None
    odd = replace(execution.cases[0], verdict="unknown-12")
    answer = replace(first.answers[0], execution=replace(execution, cases=(odd,)))
    first = replace(first, answers=(answer, *first.answers[1:]))
    dataset = Dataset(runs=(replace(run, rounds=(first, *others)),))
    spec = charts_of(dataset, findings_of(dataset))["verdicts"].to_dict()
    assert any(bar["verdict"] == "unknown-12" for bar in spec["layer"][0]["data"]["values"])
    assert "Unknown-12" in html(dataset)


def test_the_report_has_a_file_for_each_chart() -> None:
    files = build_report(both())
    for name in PROGRAM_CHARTS:
        assert files[f"charts/{name}.svg"].startswith(b"<svg")
        assert files[f"charts/{name}.png"].startswith(b"\x89PNG")
        assert files[f"charts/{name}.pdf"].startswith(b"%PDF")
    assert files["report.html"].count(b"<figure") == 4 + len(PROGRAM_CHARTS)
    programs = json.loads(files["run.json"])["programs"]
    assert programs["effects"][0]["hidden"] == "blindfold"
    assert programs["accuracy"]["judges"][0]["judge"] == "model-a"


def test_run_json_has_every_case() -> None:
    dataset = Dataset(runs=(played(),))
    content = run_json(dataset, findings_of(dataset))
    answer = content["runs"][0]["rounds"][0]["answers"][0]
    assert [case["name"] for case in answer["execution"]["cases"]] == ["1", "2", "3", "4"]
    assert content["runs"][0]["rounds"][1]["question"]["check"]["verified"] is False
    assert run_json(league(Recipe(n=3)), findings_of(league(Recipe(n=3))))["programs"] is None


def opened(dataset: Dataset) -> Any:
    return openpyxl.load_workbook(io.BytesIO(workbook(dataset)))


def test_sheets_of_programs() -> None:
    run = played()
    book = opened(Dataset(runs=(run,)))
    plain = opened(league(Recipe(n=4, subject="programming")))
    added = ["Pass Rates", "Executions", "Judge Accuracy", "Questions"]
    assert [name for name in book.sheetnames if name not in plain.sheetnames] == added
    # The published sheets are what they were.
    assert [name for name in book.sheetnames if name not in added] == plain.sheetnames

    executions = rows(book, "Executions")
    cases = [case for r in run.rounds for a in r.answers for case in a.execution.cases]  # type: ignore[union-attr]
    broken = [row for row in executions if row["Case"] is None]
    assert len(executions) == len(cases) + len(broken)
    refused = next(row for row in broken if (row["Round"], row["Answerer"]) == (4, "model-a"))
    assert refused["Compiling"] == "compile error"
    assert refused["Detail"].startswith("expected ';'")
    assert refused["Pass rate of the program"] == 0
    first = executions[0]
    assert (first["Sheet"], first["Round"], first["Answerer"]) == ("Round 1", 1, "model-b")
    assert (first["CPU, s"], first["Memory, MiB"]) == (0.01, 8)
    assert {row["Disputed"] for row in executions if row["Round"] == 3} == {None, "yes"}

    questions = rows(book, "Questions")
    assert [row["Verified"] for row in questions] == ["yes", "no", "yes", "yes"]
    assert questions[1]["Dropped, and why"] == "1: the reference ran into the time limit"
    assert (questions[2]["Disputed"], questions[2]["Repairs"]) == ("3", 1)

    accuracy = rows(book, "Judge Accuracy")
    assert [row["Judge"] for row in accuracy] == [f"model-{c}" for c in "abcd"]
    assert all(row["Left out: unverified"] in (2, 3) for row in accuracy)
    # What was not verified is said above their header.
    assert book["Pass Rates"].max_row == 2 + 4
    facts = {row["What"]: row["Value"] for row in rows(book, "About")}
    assert facts["Evidence"] == "shown"
    assert "left out as unverified: 1." in facts["Judge accuracy"]


def test_of_a_case_that_was_not_run_no_figures_are_shown() -> None:
    run = executed(played(), lambda *_: ".NNN", lambda _: VERIFIED)
    executions = rows(opened(Dataset(runs=(run,))), "Executions")
    figures = ("CPU, s", "Memory, MiB")
    first, second = executions[:2]
    assert [first[name] for name in figures] == [0.01, 8]
    assert second["Verdict"] == "not run"
    assert [second[name] for name in figures] == [None, None]
    assert "N not run, since the time for all cases was used up" in html(Dataset(runs=(run,)))


def test_the_sheet_of_evidence() -> None:
    book = opened(both())
    found = rows(book, "Evidence")
    assert [row["Judge"] for row in found] == [*(f"model-{c}" for c in "abcd"), "all judges"]
    assert found[-1]["Tau-b with pass rates, shown"] == 1
    assert found[-1]["Tau-b with pass rates, hidden"] is None
    # What programs did is there once, however often it was judged.
    assert len(rows(book, "Executions")) == len(
        rows(opened(Dataset(runs=both().runs[:1])), "Executions")
    )
    assert len(rows(book, "Questions")) == 4


def test_what_programs_print_is_text_everywhere() -> None:
    recipe = Recipe(n=3, subject="programming", programs=True, texts=HOSTILE)
    run = league_run(recipe)
    check = replace(UNVERIFIED, detail=HOSTILE, disputed=(HOSTILE,), language=HOSTILE)
    question = run.rounds[0].question
    assert question is not None
    first = replace(run.rounds[0], question=replace(question, check=check))
    run = replace(run, rounds=(first, *run.rounds[1:]))
    files = build_report(Dataset(runs=(run,)))
    assert b"<script" not in files["report.html"]
    assert files["report.html"].count(b"</section>") == files["report.html"].count(b"<section")
    assert b"\x1b" not in files["report.html"]
    for sheet in openpyxl.load_workbook(io.BytesIO(files["report.xlsx"])):
        for cells in sheet.iter_rows():
            for cell in cells:
                assert cell.data_type not in ("f", "e")


def test_checks_without_programs_are_shown() -> None:
    everyone = [(r, f"model-{c}") for r in (1, 2, 3) for c in "abc"]
    run = league_run(Recipe(n=3, subject="programming", holes=Holes(answers=everyone)))
    run = executed(run, lambda *_: "....", lambda _: UNVERIFIED)
    dataset = Dataset(runs=(run,))
    text = html(dataset)
    assert "No program was run." in text
    assert len(table(text, "Checks of questions")) == 4
    assert 'id="accuracy"' not in text
    assert rows(opened(dataset), "Executions") == []
