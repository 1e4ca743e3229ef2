"""Questions whose reference was not verified: counted, and said before any number."""

import io
import json
from dataclasses import replace

import openpyxl
import pytest

from analysis.dataset import Dataset, Run, StepResult
from analysis.report import build_report
from analysis.verification import Verification, verification
from tests.support.datasets import Recipe, league, league_run
from tests.support.programs import checks_of, executed, rejudged

NONE = (
    "0 of 4 questions have a verified reference: pass rates are missing, and scores rest on "
    "the judges alone."
)


def played(*unverified: int) -> Run:
    run = league_run(Recipe(n=4, subject="programming"))
    checks = checks_of(unverified)
    return executed(run, lambda i, _: "C" if i in unverified else "..W.", checks)


@pytest.mark.parametrize(
    ("verified", "questions", "told"),
    [
        (0, 0, ""),
        (4, 4, ""),
        (0, 4, NONE),
        (0, 1, "0 of 1 question has a verified reference: pass rates are missing, and scores"),
        (3, 4, "3 of 4 questions have a verified reference: answers to the other one have no"),
        (1, 4, "1 of 4 questions have a verified reference: answers to the other 3 have no"),
    ],
)
def test_the_sentence(verified: int, questions: int, told: str) -> None:
    said = Verification(verified=verified, questions=questions).warning
    assert said.startswith(told)
    assert bool(said) is bool(told)


def test_questions_that_were_played_are_counted_once() -> None:
    run = played(1, 3)
    assert verification(Dataset(runs=(run,))) == Verification(verified=2, questions=4)
    both = Dataset(runs=(run, rejudged(run, "again")))
    assert verification(both) == Verification(verified=2, questions=4)
    void = replace(run.rounds[0], result=StepResult(outcome="unparsable"))
    fewer = Dataset(runs=(replace(run, rounds=(void, *run.rounds[1:])),))
    assert verification(fewer) == Verification(verified=2, questions=3)
    assert verification(league(Recipe(n=3))) == Verification(verified=0, questions=0)


def test_a_report_says_it_at_the_top_and_beside_the_pass_rates() -> None:
    files = build_report(Dataset(runs=(played(1, 2, 3, 4),)), ["By small models."])
    page = files["report.html"].decode()
    assert page.index(NONE) < page.index("By small models.") < page.index("<main>")
    assert "No question has a verified reference, so no program was run on a case" in page
    assert "run on the cases of its question" not in page
    assert json.loads(files["run.json"])["notes"] == [NONE, "By small models."]
    book = openpyxl.load_workbook(io.BytesIO(files["report.xlsx"]))
    assert book["Pass Rates"]["A1"].value == NONE
    assert book["Pass Rates"]["A2"].value == "Model name"
    about = [row[1] for row in book["About"].iter_rows(values_only=True) if row[0] == "Note"]
    assert about[0] == NONE


def test_where_all_are_verified_nothing_is_said() -> None:
    files = build_report(Dataset(runs=(played(),)))
    page = files["report.html"].decode()
    assert "verified reference:" not in page
    assert "Every program was compiled, and run on the cases of its question." in page
    book = openpyxl.load_workbook(io.BytesIO(files["report.xlsx"]))
    assert book["Pass Rates"]["A1"].value == "Model name"


def test_where_some_are_the_page_says_which_programs_were_run() -> None:
    page = build_report(Dataset(runs=(played(2),)))["report.html"].decode()
    assert "3 of 4 questions have a verified reference" in page
    assert "where the reference of that was verified: 3 of 4." in page
