"""The whole report of a dataset: names of files and their bytes."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from analysis.agreement import agreement
from analysis.charts import judge_heatmap, score_bars, setter_heatmap
from analysis.coverage import coverage
from analysis.dataset import Dataset
from analysis.page import Figure, Findings, page
from analysis.pooling import pooling_notes
from analysis.programming_charts import (
    accuracy_chart,
    pass_rate_bars,
    resource_ranges,
    verdict_bars,
)
from analysis.programs import Programs, programs_of
from analysis.radar import MOST_PANELS, setter_panels
from analysis.rendering import pdf, png, svg
from analysis.run_json import run_json
from analysis.scores import Standing, round_scores, standings
from analysis.style import cautioned
from analysis.verification import verification
from analysis.workbook import workbook

Progress = Callable[[str, int, int], None]
"""Called before each file with its name, its number from 1, and how many there are."""


def findings_of(dataset: Dataset) -> Findings:
    """Computes everything that the parts of a report show."""
    return Findings(
        rows=round_scores(dataset),
        standings=standings(dataset),
        agreement=agreement(dataset),
        coverage=coverage(dataset),
        programs=programs_of(dataset),
    )


def charts_of(dataset: Dataset, findings: Findings) -> dict[str, Any]:
    """Returns the charts of a report by the stem of their file names."""
    rows, table = findings.rows, findings.standings
    charts = {
        "scores": score_bars(table, dataset),
        **({"radars": setter_panels(rows, table, dataset)} if len(table) <= MOST_PANELS else {}),
        "setters": setter_heatmap(rows, table, dataset),
        "judges": judge_heatmap(findings.agreement, table),
    }
    if findings.programs is not None:
        charts |= _charts_of_programs(findings.programs, table)
    # A picture travels without the page that it was made for.
    shortfall = findings.coverage.shortfall
    return {name: cautioned(chart, shortfall) for name, chart in charts.items()}


def _charts_of_programs(programs: Programs, table: Sequence[Standing]) -> dict[str, Any]:
    """Returns the charts of a programming league that have something to show."""
    best_first = [standing.model for standing in table]
    charts: dict[str, Any] = {}
    if any(rate.value is not None for rate in programs.rates):
        charts["pass-rates"] = pass_rate_bars(programs.rates, table)
    if any(any(run.verdicts.values()) for run in programs.runs):
        charts["verdicts"] = verdict_bars(programs.runs, best_first)
    if any(run.cpu_s for run in programs.runs):
        charts["resources"] = resource_ranges(programs.runs, best_first)
    if any(judge.tau is not None or judge.comparable for judge in programs.accuracy.judges):
        charts["judge-accuracy"] = accuracy_chart(programs.accuracy)
    return charts


_DESCRIPTIONS = {
    "scores": (
        "Answer and question score of each model",
        "Bars; the numbers are in the standings.",
    ),
    "radars": (
        "Each model on each setter's questions",
        "One panel for each model; the numbers are in the next chart and in the workbook.",
    ),
    "setters": (
        "Mean round score by answerer and setter",
        "A heat map; the numbers are in run.json and, by round, below.",
    ),
    "judges": (
        "Agreement of each pair of judges",
        "A heat map of Kendall's tau-b; the mean is in the section on agreement.",
    ),
    "pass-rates": (
        "Judges' score of each model beside the share of cases that its programs pass",
        "Bars; the numbers are in the section on programs.",
    ),
    "verdicts": (
        "Verdicts on each model's cases",
        "Stacked bars; the numbers are in the section on programs.",
    ),
    "resources": (
        "CPU time and memory of each model's accepted cases",
        "Medians with quartiles and ranges; the medians are in the section on programs.",
    ),
    "judge-accuracy": (
        "How far each judge's scores agree with what programs did",
        "Dots with intervals; the numbers are in the section on accuracy.",
    ),
}


def build_report(
    dataset: Dataset, notes: Sequence[str] = (), *, progress: Progress | None = None
) -> Mapping[str, bytes]:
    """Builds the report of a dataset, finished or not.

    Args:
        dataset: The runs to read together.
        notes: Sentences of honesty, shown at the top of the page and kept in the files.
        progress: Told of each file before it is made.

    Returns:
        By file name: `report.html`, `report.xlsx`, `run.json`, and each chart under
        `charts/` as SVG, PNG and PDF.
    """
    findings = findings_of(dataset)
    warned = verification(dataset).warning
    notes = (*([warned] if warned else []), *notes, *pooling_notes(dataset))
    charts = charts_of(dataset, findings)
    pictures: dict[str, bytes] = {}

    def make_page() -> bytes:
        figures = [
            Figure(
                title=_DESCRIPTIONS[name][0],
                description=_DESCRIPTIONS[name][1],
                svg=pictures[f"charts/{name}.svg"],
            )
            for name in charts
        ]
        return page(dataset, findings, figures, notes=notes)

    makers: dict[str, Callable[[], bytes]] = {}
    for name, chart in charts.items():
        vector = f"charts/{name}.svg"
        makers[vector] = partial(svg, chart)
        makers[f"charts/{name}.png"] = _later(png, pictures, vector)
        makers[f"charts/{name}.pdf"] = _later(pdf, pictures, vector)
    makers["report.html"] = make_page
    makers["report.xlsx"] = lambda: workbook(
        dataset,
        table_of_standings=findings.standings,
        programs=findings.programs,
        notes=notes,
    )
    makers["run.json"] = lambda: json.dumps(
        run_json(dataset, findings, notes=notes), ensure_ascii=False, allow_nan=False, indent=1
    ).encode()
    for number, (name, make) in enumerate(makers.items(), 1):
        if progress is not None:
            progress(name, number, len(makers))
        pictures[name] = make()
    return {name: pictures[name] for name in sorted(pictures)}


def _later(
    render: Callable[[bytes], bytes], pictures: Mapping[str, bytes], name: str
) -> Callable[[], bytes]:
    """Returns a maker that draws a picture which exists by the time it is called."""
    return lambda: render(pictures[name])
