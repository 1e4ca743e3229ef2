"""The page, run.json, the charts and the report as a whole."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from analysis.calls import call_summaries
from analysis.charts import Bar, grouped_bars, judge_heatmap, score_bars, setter_heatmap
from analysis.dataset import Dataset
from analysis.page import Figure, page
from analysis.radar import setter_panels
from analysis.rendering import font_list, pdf, png, svg
from analysis.report import build_report, charts_of, findings_of
from analysis.run_json import run_json
from analysis.style import BLUE, clipped, unique_names
from tests.support.datasets import Holes, Recipe, league

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Reader(HTMLParser):
    """Collects tags with their attributes, and text; checks that tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: bytes) -> Reader:
    reader = Reader()
    reader.feed(html.decode())
    reader.close()
    assert reader.open == []
    return reader


def plain_page(dataset: Dataset, **options: Any) -> bytes:
    return page(dataset, findings_of(dataset), [], **options)


def test_page_in_every_situation(situation: Dataset) -> None:
    html = plain_page(situation)
    reader = read(html)
    names = {tag for tag, _ in reader.tags}
    assert not names & {"script", "iframe", "object", "embed", "link", "form", "base"}
    text = "".join(reader.text)
    assert not re.search(r"\bnan\b|\binf\b", text.lower())
    assert "None" not in text


def test_page_loads_nothing_and_runs_nothing(attacked: Dataset, attack: str) -> None:
    figure = Figure(title="T", description='"><script>', svg=b'<svg width="10" height="20"/>')
    html = page(attacked, findings_of(attacked), [figure], notes=[attack])
    reader = read(html)
    for tag, attributes in reader.tags:
        assert tag not in ("script", "iframe", "object", "embed", "link")
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name != "style"
            if name in ("src", "href"):
                assert value is not None
                assert value.startswith(("#", "data:image/svg+xml;base64,"))
    policy = next(a["content"] for t, a in reader.tags if t == "meta" and "content" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "script-src" not in policy
    assert "url(" not in html.decode()
    assert b"<script" not in html
    assert b"{{7*7}}" in html
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", html.decode())
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", html.decode())
    assert b"[U+202E]" in html


def test_marks_are_written_alike_and_participants_are_counted() -> None:
    html = plain_page(league(Recipe(n=4))).decode()
    assert "4 participants, 4 rounds" in html
    table = html[html.index("<h3>Judgments</h3>") :]
    ranks = re.findall(r'<td class="n">([^<]*)</td>', table[: table.index("</section>")])
    assert {"1", "2", "3"} <= set(ranks)
    assert not [rank for rank in ranks if rank.endswith(".0")]


def test_style_matches_its_hash() -> None:
    html = plain_page(league()).decode()
    style = re.search("<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in html


def test_page_warns_and_notes() -> None:
    html = plain_page(league(Recipe(n=4, holes=Holes(void=[1]))), notes=["Small models."]).decode()
    assert html.index("Only 27 of 36 planned marks") < html.index('id="standings"')
    assert html.index("Small models.") < html.index('id="standings"')
    assert "Incomplete" not in plain_page(league(Recipe(n=4))).decode()


def test_sums_of_points_keep_their_halves() -> None:
    (run,) = league(Recipe(n=4)).runs
    first, *rest = run.rounds[0].judgments
    shared = tuple(replace(mark, points=1.5) for mark in first.marks)
    judgments = (replace(first, marks=shared), *rest)
    rounds = (replace(run.rounds[0], judgments=judgments), *run.rounds[1:])
    dataset = Dataset(runs=(replace(run, rounds=rounds),))
    totals = {standing.model: standing.total for standing in findings_of(dataset).standings}
    assert {total % 1 for total in totals.values()} == {0, 0.5}
    html = plain_page(dataset).decode()
    table = html[html.index('aria-label="Standings"') : html.index('id="charts"')]
    for model, total in totals.items():
        row = table[table.index(f'<th scope="row">{model}</th>') :].partition("</tr>")[0]
        assert f'<td class="n">{total:g}</td>' in row


def test_page_tells_causes_and_reasons() -> None:
    holes = Holes(judgments=[(1, "model-b")], answers=[(2, "model-a")])
    text = plain_page(league(Recipe(n=4, holes=holes))).decode()
    for words in ("duplicate_label", "A label was ranked twice.", "The model declined to answer."):
        assert words in text
    assert "Sound and complete." in text
    assert "The Catalan number." in text


def test_page_is_accessible() -> None:
    dataset = league(Recipe(n=4))
    figure = Figure(title="Scores", description="Bars.", svg=svg(score_bars((), dataset)))
    reader = read(page(dataset, findings_of(dataset), [figure]))
    assert ("html", {"lang": "en"}) in reader.tags
    assert all(a.get("alt") for tag, a in reader.tags if tag == "img")
    assert all("scope" in a for tag, a in reader.tags if tag == "th")


def test_run_json_in_every_situation(situation: Dataset) -> None:
    content = run_json(situation, findings_of(situation), notes=["n"])
    text = json.dumps(content, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert json.loads(text) == content
    assert content["format"] == 1
    assert content["notes"] == ["n"]
    assert len(content["standings"]) == len(situation.participants)
    assert "raw_reply" not in text


def test_run_json_has_what_it_promises() -> None:
    content = run_json(league(Recipe(n=4)), findings_of(league(Recipe(n=4))))
    run = content["runs"][0]
    assert run["started_at"] == "2026-11-20T09:30:00+00:00"
    assert run["rounds"][0]["judgments"][0]["marks"][0]["reason"] == "Sound and complete."
    assert content["standings"][0]["coverage"] == 1
    assert content["agreement"]["tops"][0]["k"] == 1
    assert content["coverage"]["steps"][0]["state"] == "arrived"
    assert len(content["setter_answerer"]) == 12


def test_charts_say_what_they_show_and_n(situation: Dataset) -> None:
    for chart in charts_of(situation, findings_of(situation)).values():
        spec = chart.to_dict()
        title = spec["title"]
        assert title["text"]
        assert any("n = " in line for line in title["subtitle"])
        json.dumps(spec, allow_nan=False)


def test_missing_cells_are_grey_and_colourless() -> None:
    dataset = league(Recipe(n=4, holes=Holes(void=[1])))
    found = findings_of(dataset)
    spec = setter_heatmap(found.rows, found.standings, dataset).to_dict()
    cells = spec["layer"][0]["data"]["values"]
    blank = [cell for cell in cells if cell["value"] is None]
    assert sorted(cell["text"] for cell in blank) == ["none"] * 3 + ["own"] * 4


def test_a_radar_has_no_corner_where_there_is_no_mark_and_no_axis_of_its_own() -> None:
    dataset = league(Recipe(n=7, holes=Holes(void=[3])))
    found = findings_of(dataset)
    spec = setter_panels(found.rows, found.standings, dataset).to_dict()
    assert len(spec["concat"]) == 7
    lines = [
        layer["data"]["values"]
        for layer in spec["concat"][0]["layer"]
        if layer["mark"].get("filled") and layer["mark"]["type"] == "line"
    ]
    assert [point["order"] for point in lines[0]] == [0, 2, 3, 4, 5]
    assert all(point["x"] ** 2 + point["y"] ** 2 <= 1 + 1e-9 for point in lines[0])
    labels = [
        row["label"]
        for layer in spec["concat"][0]["layer"]
        if layer["mark"]["type"] == "text"
        for row in layer["data"]["values"]
    ]
    assert sorted(labels) == [s.model for s in found.standings][1:]


def test_few_models_are_shown_as_dots_that_no_missing_axis_can_distort() -> None:
    dataset = league(Recipe(n=4, holes=Holes(void=[2])))
    found = findings_of(dataset)
    spec = setter_panels(found.rows, found.standings, dataset).to_dict()
    first = spec["concat"][0]["layer"]
    assert [row["setter"] for row in first[0]["data"]["values"]] == ["model-c", "model-d"]
    assert [row["text"] for row in first[-1]["data"]["values"]] == ["no mark"]


def test_many_models_have_no_panel_each() -> None:
    dataset = league(Recipe(n=25, holes=Holes(not_begun=range(2, 26))))
    charts = charts_of(dataset, findings_of(dataset))
    assert "radars" not in charts
    assert "setters" in charts


def test_a_bar_carries_its_figure_and_a_short_one_has_it_beside() -> None:
    bars = [
        Bar("a", "one", 50.0, 40.0, 60.0, "none"),
        Bar("b", "one", 5.0, 0.0, 30.0, "none"),
        Bar("c", "one", None, None, None, "none"),
    ]
    spec = grouped_bars(bars, {"one": BLUE}, top=100, axis="score", digits=0).to_dict()
    texts = [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"]
    at = {
        row["text"]: layer["encoding"]["x"].get("datum", row.get("end"))
        for layer in texts
        for row in layer["data"]["values"]
    }
    assert at == {"50": 0, "5": 30.0, "none": None}


def test_all_charts_have_one_order() -> None:
    dataset = league(Recipe(names=("a", "b", "c"), abilities={"a": 0.1, "b": 0.5, "c": 0.9}))
    found = findings_of(dataset)
    order = [s.model for s in found.standings]
    for chart in (
        setter_heatmap(found.rows, found.standings, dataset),
        judge_heatmap(found.agreement, found.standings),
    ):
        cells = chart.to_dict()["layer"][0]["data"]["values"]
        assert list(dict.fromkeys(cell["row"] for cell in cells)) == order


def test_judges_can_be_charted_by_overlap() -> None:
    found = findings_of(league(Recipe(n=6, noise=0.2))).agreement
    spec = judge_heatmap(found, measure="overlap").to_dict()
    assert "overlap of the best 2" in " ".join(spec["title"]["subtitle"])


def test_long_names_stay_different() -> None:
    names = [f"organisation/a-model-with-a-very-long-name-{i}" for i in range(12)]
    short = unique_names(names, 20)
    assert len(set(short.values())) == 12
    twins = ["x" * 30 + "a" + "y" * 30, "x" * 30 + "b" + "y" * 30]
    assert len(set(unique_names(twins, 20).values())) == 2
    assert clipped("a\ud800\nb", 9) == "a? b"


def test_fonts_end_in_one_that_every_machine_has() -> None:
    assert font_list().endswith("sans-serif")


def test_report_holds_all_files() -> None:
    seen: list[tuple[str, int, int]] = []
    dataset = league(Recipe(n=4, noise=0.2))
    files = build_report(
        dataset, ["A note."], progress=lambda name, i, n: seen.append((name, i, n))
    )
    charts = ("scores", "radars", "setters", "judges")
    assert set(files) == {
        "report.html",
        "report.xlsx",
        "run.json",
        *(f"charts/{name}.{end}" for name in charts for end in ("svg", "png", "pdf")),
    }
    assert [i for _, i, _ in seen] == list(range(1, len(files) + 1))
    assert {n for _, _, n in seen} == {len(files)}
    starts = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "xlsx": b"PK", "html": b"<!DOC"}
    for name, content in files.items():
        assert content.startswith(starts.get(name.rsplit(".", 1)[1], b"{"))
    reader = read(files["report.html"])
    assert sum(tag == "img" for tag, _ in reader.tags) == 4
    assert json.loads(files["run.json"])["verdict"]


def test_names_cannot_break_a_picture(attacked: Dataset) -> None:
    for chart in charts_of(attacked, findings_of(attacked)).values():
        picture = svg(chart)
        assert b"<script" not in picture
        assert b"href" not in picture.replace(b"xmlns:xlink", b"")
    assert png(picture, scale=0.5).startswith(b"\x89PNG")
    assert pdf(picture).startswith(b"%PDF")


def test_calls_are_summed_by_participant_and_role() -> None:
    dataset = league(Recipe(n=3))
    found = call_summaries(dataset)
    assert [c.role for c in found[:3]] == ["question", "answer", "judgment"]
    assert sum(c.calls for c in found) == len(dataset.runs[0].calls)
    assert sum(c.priced for c in found) < sum(c.calls for c in found)


@pytest.mark.parametrize(
    "module", ["scores", "coverage", "agreement", "calls", "programs", "verdict_words"]
)
def test_numbers_need_no_third_package(module: str) -> None:
    code = (
        f"import sys, analysis.{module};"
        "sys.exit(any(m in sys.modules for m in ('altair', 'openpyxl', 'vl_convert', 'jinja2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
