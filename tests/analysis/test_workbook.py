"""The workbook, read back with openpyxl."""

import io
import re
import zipfile
from dataclasses import replace
from typing import Any

import openpyxl
import pytest

from analysis.cells import CUT, LIMIT, clean, sheet_title
from analysis.dataset import Dataset
from analysis.workbook import workbook
from tests.support.datasets import Holes, Recipe, league, league_run


def opened(dataset: Dataset, **options: Any) -> Any:
    return openpyxl.load_workbook(io.BytesIO(workbook(dataset, **options)))


def rows(sheet: Any, above: int = 0) -> list[dict[str, Any]]:
    header, *body = list(sheet.iter_rows(values_only=True))[above:]
    return [dict(zip(header, row, strict=True)) for row in body]


def test_published_sheets_and_columns() -> None:
    book = opened(league(Recipe(n=4)))
    assert book.sheetnames == [
        "Final Ranking",
        "Score Summary",
        *(f"Round {n}" for n in range(1, 5)),
        "Answers",
        "Judgments",
        "Coverage",
        "Failures",
        "Steps",
        "Calls",
        "About",
    ]
    models = [f"model-{c}" for c in "abcd"]
    round_1 = rows(book["Round 1"])
    assert list(round_1[0]) == ["Model name", *models, "Round Score", "Total Score"]
    assert [row["Model name"] for row in round_1] == models
    # The setter's row is empty, and so is a judge's own cell: neither is a 0.
    assert set(round_1[0].values()) == {"model-a", None}
    assert round_1[1]["model-b"] is None
    assert round_1[1]["Round Score"] == pytest.approx(2.0)
    ranking = rows(book["Final Ranking"])
    assert [row["Rank"] for row in ranking] == [1, 2, 3, 4]
    assert ranking[0]["Coverage"] == 1


def test_totals_run_on_and_end_in_the_ranking() -> None:
    book = opened(league(Recipe(n=4, cycles=2)))
    names = [name for name in book.sheetnames if name.startswith("Round")]
    total = dict.fromkeys([f"model-{c}" for c in "abcd"], 0.0)
    for name in names:
        for row in rows(book[name]):
            total[row["Model name"]] += row["Round Score"] or 0.0
            if row["Total Score"] is not None:
                assert row["Total Score"] == pytest.approx(total[row["Model name"]])
    for sheet in ("Final Ranking", "Score Summary"):
        for row in rows(book[sheet]):
            assert row["Total Score"] == pytest.approx(total[row["Model name"]])


def test_numbers_of_rounds_run_on_over_runs() -> None:
    runs = (league_run(Recipe(n=3, id="one")), league_run(Recipe(n=3, id="two")))
    book = opened(Dataset(runs=runs))
    assert [n for n in book.sheetnames if n.startswith("Round")][-1] == "Round 6"
    assert "Run two, round 1" in book["Round 4"]["A1"].comment.text
    fourth = next(row for row in rows(book["Answers"]) if row["Sheet"] == "Round 4")
    assert (fourth["Run"], fourth["Round"]) == ("two", 1)


def test_one_row_a_mark_and_one_a_failure() -> None:
    holes = Holes(judgments=[(1, "model-b")])
    found = rows(opened(league(Recipe(n=3, holes=holes)))["Judgments"])
    (failure,) = [row for row in found if row["Outcome"] == "unparsable"]
    assert (failure["Judge"], failure["Cause"], failure["Answerer"]) == (
        "model-b",
        "duplicate_label",
        None,
    )
    assert len(found) == 12
    first = found[0]
    assert (first["Label"], first["Position"], first["Rank"], first["Points"]) == ("A", 1, 1, 1)


def test_text_is_never_a_formula(attacked: Dataset, attack: str) -> None:
    book = opened(attacked, notes=["=SUM(A1)"])
    texts = 0
    for sheet in book:
        for cells in sheet.iter_rows():
            for cell in cells:
                assert cell.data_type not in ("f", "e")
                if isinstance(cell.value, str):
                    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", cell.value)
                    assert cell.quotePrefix == cell.value.startswith(("=", "+", "-", "@"))
                    texts += cell.value == clean(attack)
    assert texts > 20
    assert book["Final Ranking"]["A2"].value == 1


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "#N/A", "a\r\nb", "\ud800", "\x1b[0m"])
def test_short_attacks_survive(text: str) -> None:
    book = opened(league(Recipe(n=3, texts=text)))
    assert rows(book["Answers"])[0]["Text"] == clean(text)


def test_long_text_is_cut_with_a_mark() -> None:
    for text in ("x" * 40_000, "\U0001f600" * 20_000):
        cut = clean(text)
        assert len(cut.encode("utf-16-le")) <= 2 * LIMIT
        assert cut.endswith(CUT)
        assert rows(opened(league(Recipe(n=3, texts=text)))["Answers"])[0]["Text"] == cut
    assert clean("x" * LIMIT) == "x" * LIMIT


def test_sheet_titles_are_short_and_unique() -> None:
    taken: list[str] = []
    for wanted in ("a/b[c]" * 20, "A/B[C]" * 20, "'", "", "Round 1"):
        title = sheet_title(wanted, taken)
        assert 0 < len(title) <= 31
        assert not re.search(r"[\[\]:*?/\\]", title)
        assert title.casefold() not in [t.casefold() for t in taken]
        taken.append(title)


def test_about_carries_notes_and_the_warning() -> None:
    dataset = league(Recipe(n=4, holes=Holes(void=[1])))
    about = rows(opened(dataset, notes=["Small models."])["About"])
    facts = {row["What"]: row["Value"] for row in about}
    assert facts["Note"] == "Small models."
    assert facts["Warning"].startswith("Only 27 of 36")
    assert facts["Seed"] == 1


def test_every_situation_opens(situation: Dataset) -> None:
    book = opened(situation)
    for sheet in book:
        assert sheet.freeze_panes
        for cells in sheet.iter_rows(values_only=True):
            assert "nan" not in [str(cell).lower() for cell in cells]


def test_a_run_without_calls() -> None:
    run = replace(league_run(Recipe(n=3)), calls=())
    assert rows(opened(Dataset(runs=(run,)))["Calls"]) == []


def test_too_little_is_said_above_the_rankings_and_the_coverage() -> None:
    dataset = league(Recipe(n=4, holes=Holes(void=[1])))
    book = opened(dataset)
    for name in ("Final Ranking", "Score Summary", "Coverage"):
        assert book[name]["A1"].value.startswith("Only 27 of 36 planned marks (75 %)")
    assert [row["Rank"] for row in rows(book["Final Ranking"], above=1)] == [1, 2, 3, 4]
    assert book["Final Ranking"].freeze_panes == "C3"
    assert book["Final Ranking"].auto_filter.ref.startswith("A2:")
    # The sheets of rounds keep their layout for scripts.
    assert book["Round 2"]["A1"].value == "Model name"


def test_the_coverage_sheet_is_a_matrix_of_symbols_and_causes() -> None:
    holes = Holes(
        judgments=[(1, "model-b")],
        answers=[(2, "model-a")],
        mended=[(2, "model-c")],
        reasked=[(3, "model-d")],
    )
    sheet = opened(league(Recipe(n=4, holes=holes)))["Coverage"]
    found = {(row["Participant"], row["Step"]): row for row in rows(sheet, above=2)}
    assert len(found) == 12
    assert found["model-a", "question"]["1"] == "✓"
    assert found["model-a", "question"]["2"] is None
    assert found["model-b", "judgment"]["1"] == "U duplicate_label"
    assert found["model-a", "answer"]["2"] == "R refusal"
    assert found["model-c", "judgment"]["2"] == "✎"
    assert found["model-d", "judgment"]["3"] == "↻ 1"
    judge = found["model-d", "judgment"]
    assert [judge[name] for name in ("Planned", "Usable", "Mended", "Re-asked", "Missing")] == [
        4, 4, 0, 1, 0,
    ]  # fmt: skip
    assert sheet.freeze_panes == "D4"


def test_the_failures_sheet_names_rounds_and_reasons() -> None:
    holes = Holes(judgments=[(1, "model-b"), (2, "model-b"), (4, "model-b")])
    found = rows(opened(league(Recipe(n=4, holes=holes)))["Failures"])
    assert found == [
        {
            "Participant": "model-b",
            "Step": "judgment",
            "Outcome": "unparsable",
            "Cause": "duplicate_label",
            "Times": 3,
            "Rounds": "1-2, 4",
            "In words": "A label was ranked twice.",
        }
    ]


def test_a_share_of_marks_is_cut_to_what_is_shown() -> None:
    """17 of 18 marks are 94.44 %."""
    dataset = league(Recipe(n=4, cycles=2, holes=Holes(judgments=[(1, "model-b")])))
    found = rows(opened(dataset)["Final Ranking"])
    assert [(row["Marks received"], row["Coverage"]) for row in found] == [
        (18, 1), (18, 1), (17, 0.944), (17, 0.944),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["_x0041_", "a_x000D_b_x005F_", "_x0041"])
def test_text_is_not_taken_for_the_code_of_a_character(text: str) -> None:
    """Read as spreadsheets do, from the file itself: openpyxl undoes only a part of it."""
    content = workbook(league(Recipe(n=3, texts=text)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        xml = "".join(
            archive.read(name).decode() for name in archive.namelist() if "worksheets/" in name
        )
    texts = [
        re.sub("_x([0-9A-Fa-f]{4})_", lambda code: chr(int(code[1], 16)), found)
        for found in re.findall("<t>([^<]*)</t>", xml)
    ]
    assert text in texts


def test_asks_and_attempts_count_from_1() -> None:
    dataset = league(Recipe(n=3))
    found = rows(opened(dataset)["Calls"])
    assert {(call.ask, call.attempt) for call in dataset.runs[0].calls} == {(0, 0)}
    assert {(row["Ask"], row["Attempt"]) for row in found} == {(1, 1)}


def test_that_nothing_failed_is_a_sentence() -> None:
    assert opened(league(Recipe(n=3)))["Failures"]["A1"].value == "No participant failed a step."
    failed = opened(league(Recipe(n=3, holes=Holes(judgments=[(1, "model-b")]))))["Failures"]
    assert failed["A1"].value == "Participant"


def test_every_sheet_prints_legibly_with_its_header_on_each_page() -> None:
    book = opened(league(Recipe(n=4, subject="programming", programs=True, cycles=10)))
    for sheet in book:
        setup = sheet.page_setup
        widths = [dimension.width for dimension in sheet.column_dimensions.values()]
        assert (setup.orientation, setup.fitToHeight) == ("landscape", 0)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sum(widths) / setup.fitToWidth <= 215, sheet.title
        assert sheet.print_title_rows
        assert bool(sheet.print_title_cols) is (setup.fitToWidth > 1)
    assert book["Final Ranking"].page_setup.fitToWidth == 1


def test_about_says_what_is_empty_and_stands_on_one_line() -> None:
    about = opened(league(Recipe(n=3)))["About"]
    facts = dict(about.iter_rows(values_only=True))
    assert "a judge's own answer" in facts["Empty cells"]
    assert about["A1"].alignment.vertical == about["B1"].alignment.vertical
    assert about["A2"].alignment.vertical == about["B2"].alignment.vertical
