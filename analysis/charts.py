"""The charts: scores as bars, and who met what as heat maps. Radars are in `radar`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt

from analysis.agreement import Agreement
from analysis.dataset import Dataset
from analysis.percent import percent_of_share
from analysis.scores import RoundScore, Standing, setter_answerer_matrix
from analysis.style import (
    BLUE,
    DIVERGING,
    INK,
    MISSING,
    ORANGE,
    SOFT,
    amount,
    data,
    styled,
    titled,
    unique_names,
)

ANSWERS, QUESTIONS = "its answers", "others' answers to its questions"
_NAME = 34
_ROOM = 0.12
"""Share of the scale from which a bar has room for its figure."""
_DARK = 0.55
"""Share of the scale above which a cell is dark enough for white text."""


def full_mark(dataset: Dataset) -> float:
    """Returns the best possible round score: N - 2 points, or 100."""
    if dataset.subject != "math":
        return 100.0
    return float(max(1, max(len(run.participants) for run in dataset.runs) - 2))


def scale_name(dataset: Dataset) -> str:
    """Returns the name of the scale that scores are on."""
    return "points" if dataset.subject == "math" else "score out of 100"


def score_bars(standings: Sequence[Standing], dataset: Dataset) -> Any:
    """Returns grouped bars of answer and question score, with the interval of the former."""
    names = unique_names([s.model for s in standings], _NAME)
    bars = [
        Bar(names[s.model], kind, value, low, high, "no marks")
        for s in standings
        for kind, value, low, high in (
            (ANSWERS, s.answer_score, s.low, s.high),
            (QUESTIONS, s.question_score, None, None),
        )
    ]
    layers = grouped_bars(
        bars,
        {ANSWERS: BLUE, QUESTIONS: ORANGE},
        top=full_mark(dataset),
        axis=scale_name(dataset),
        legend="Mean of",
    )
    rounds = sum(len(run.rounds) for run in dataset.runs)
    marks = sum(s.marks for s in standings)
    level = standings[0].level if standings else 0.95
    # Ranks are relative: in mathematics every complete round gives the same sum.
    hint = "" if dataset.subject == "math" else "; a low question score means hard questions"
    return styled(
        layers.properties(
            width=430,
            height=alt.Step(20),
            title=titled(
                "Answer and question score of each model",
                f"n = {amount(rounds, 'round')}, {amount(marks, 'mark')}; line: "
                f"{percent_of_share(level)} interval over rounds{hint}",
            ),
        )
    )


class Bar(NamedTuple):
    """A bar of a model: its value with an interval, and what stands there without a value."""

    model: str
    kind: str
    value: float | None
    low: float | None
    high: float | None
    blank: str


def grouped_bars(
    bars: Sequence[Bar],
    colors: Mapping[str, str],
    *,
    top: float,
    axis: str,
    legend: str | None = None,
    digits: int = 2,
) -> Any:
    """Returns the layers of bars grouped by model, from the best down.

    Args:
        bars: The bars, models in order.
        colors: By kind of bar, in order.
        top: End of the scale, which begins at 0.
        axis: Title of the scale.
        legend: Title of the legend.
        digits: Decimals of the figures.
    """
    there, rules, blanks = [], [], []
    inside: dict[str, list[dict[str, Any]]] = {kind: [] for kind in colors}
    beside: list[dict[str, Any]] = []
    for bar in bars:
        row = {"model": bar.model, "kind": bar.kind, "value": bar.value or 0.0}
        if bar.value is None:
            blanks.append(row | {"text": bar.blank})
            continue
        row["text"] = f"{bar.value:.{digits}f}"
        there.append(row)
        # At the foot of its bar a figure is beside no other's end, and off the interval.
        (inside[bar.kind] if bar.value >= _ROOM * top else beside).append(
            row | {"end": max(bar.value, bar.high or 0.0)}
        )
        if bar.low is not None:
            rules.append(row | {"low": bar.low, "high": bar.high})
    kinds = list(colors)
    y = alt.Y("model:N", sort=list(dict.fromkeys(bar.model for bar in bars)), title=None)
    offset = alt.YOffset("kind:N", sort=kinds)
    x = alt.Scale(domain=[0, top], nice=False)
    color = alt.Color(
        "kind:N",
        title=legend,
        sort=kinds,
        scale=alt.Scale(domain=kinds, range=list(colors.values())),
        legend=alt.Legend(orient="top", direction="horizontal", labelLimit=400),
    )
    return alt.layer(
        alt.Chart(data(there))
        .mark_bar(height={"band": 0.86})
        .encode(y=y, yOffset=offset, color=color, x=alt.X("value:Q", scale=x, title=axis)),
        alt.Chart(data(rules))
        .mark_rule(color=INK, strokeWidth=1.6)
        .encode(y=y, yOffset=offset, x=alt.X("low:Q", scale=x), x2="high:Q"),
        *(
            layer.encode(y=y, yOffset=offset, x=alt.datum(0, scale=x), text="text:N")
            for kind, rows in inside.items()
            if rows
            for layer in _bar_figures(rows, colors[kind])
        ),
        bar_text(beside, INK).encode(y=y, yOffset=offset, x=alt.X("end:Q", scale=x), text="text:N"),
        bar_text(blanks, SOFT).encode(
            y=y, yOffset=offset, x=alt.X("value:Q", scale=x), text="text:N"
        ),
    )


def _bar_figures(rows: list[dict[str, Any]], ground: str) -> tuple[Any, Any]:
    """Returns figures on bars: a halo of the bar's colour, for a wide interval, and the text."""
    text = INK if ground == ORANGE else "white"
    return (
        bar_text(rows, ground).mark_text(
            align="left",
            dx=5,
            fontSize=11,
            color=ground,
            stroke=ground,
            strokeWidth=3,
            strokeJoin="round",
        ),
        bar_text(rows, text),
    )


def bar_text(rows: list[dict[str, Any]], color: str) -> Any:
    """Returns the layer of texts beside bars, which may leave the frame."""
    return alt.Chart(data(rows)).mark_text(align="left", dx=5, fontSize=11, color=color, clip=False)


def setter_heatmap(
    rows: Sequence[RoundScore], standings: Sequence[Standing], dataset: Dataset
) -> Any:
    """Returns the heat map of mean round scores, answerer by setter; missing cells are grey."""
    order = [s.model for s in standings]
    names = unique_names(order, _NAME)
    matrix = setter_answerer_matrix(rows)
    top = full_mark(dataset)
    cells = []
    for answerer in order:
        for setter in order:
            cell = matrix.get((setter, answerer))
            value = cell.value if cell else None
            blank = "own" if setter == answerer else "none"
            cells.append(
                {
                    "row": names[answerer],
                    "column": names[setter],
                    "value": value,
                    "text": blank if value is None else f"{value:.{1 if top >= 100 else 2}f}",  # noqa: PLR2004
                    "white": value is not None and value > _DARK * top,
                }
            )
    marked = sum(row.value is not None for row in rows)
    return _heatmap(
        cells,
        list(names.values()),
        axes=("question set by", "answered by"),
        scale=alt.Scale(domain=[0, top], scheme="blues"),
        legend=scale_name(dataset),
        title=titled(
            "Who did how well on whose questions",
            f"mean round score; n = {amount(marked, 'marked answer')} of {len(rows):,}; grey: own "
            "question, or no mark",
        ),
    )


def judge_heatmap(
    found: Agreement, standings: Sequence[Standing] = (), *, measure: str = "tau"
) -> Any:
    """Returns the heat map of agreement between judges.

    Args:
        found: Agreement of the judges.
        standings: The models, best first: the order of the judges as in all other charts.
        measure: `tau` for Kendall's tau-b, or `overlap` for the top lists on common answers.
    """
    tau = measure == "tau"
    places = {s.model: place for place, s in enumerate(standings)}
    judges = sorted(found.judges, key=lambda judge: places.get(judge, len(places)))
    names = unique_names(judges, _NAME)
    by_pair: dict[tuple[str, str], float | None] = {}
    for pair in found.pairs:
        value = pair.tau if tau else pair.overlap
        by_pair[pair.first, pair.second] = by_pair[pair.second, pair.first] = value
    cells = []
    for one in judges:
        for other in judges:
            value = by_pair.get((one, other))
            blank = "" if one == other else "none"
            cells.append(
                {
                    "row": names[one],
                    "column": names[other],
                    "value": value,
                    "text": blank if value is None else f"{value:.2f}",
                    "white": value is not None and (abs(value) if tau else value) > _DARK,
                }
            )
    n = sum(pair.tau_rounds if tau else pair.overlap_rounds for pair in found.pairs)
    k = found.pairs[0].k if found.pairs else 1
    what = (
        "Kendall's tau-b on answers both judged (1: same order, 0: none, -1: reversed)"
        if tau
        else f"overlap of the best {k} among answers both judged"
    )
    return _heatmap(
        cells,
        list(names.values()),
        axes=("judge", "judge"),
        scale=alt.Scale(domain=[-1, 0, 1], range=DIVERGING)
        if tau
        else alt.Scale(domain=[0, 1], scheme="blues"),
        legend="tau-b" if tau else "overlap",
        title=titled(
            "How far each pair of judges agrees",
            f"{what};",
            f"mean over rounds; n = {amount(n, 'comparison')}; grey: nothing to compare",
        ),
    )


def _heatmap(
    cells: list[dict[str, Any]],
    order: list[str],
    *,
    axes: tuple[str, str],
    scale: alt.Scale,
    legend: str,
    title: alt.TitleParams,
) -> Any:
    """Returns a heat map: a grey ground, colour where there is a value, and text."""
    x = alt.X(
        "column:N",
        sort=order,
        title=axes[0],
        axis=alt.Axis(labelAngle=-40, labelAlign="right", labelBaseline="middle", grid=False),
    )
    y = alt.Y("row:N", sort=order, title=axes[1], axis=alt.Axis(grid=False))
    base = alt.Chart(data(cells)).encode(x=x, y=y)
    color = alt.Color("value:Q", scale=scale, title=legend, legend=alt.Legend(gradientLength=150))
    with_value = [cell for cell in cells if cell["value"] is not None]
    layers = [
        base.mark_rect(color=MISSING, stroke="white", strokeWidth=1.5),
        alt.Chart(data(with_value))
        .mark_rect(stroke="white", strokeWidth=1.5)
        .encode(x=x, y=y, color=color),
        base.mark_text(fontSize=11).encode(
            text="text:N",
            color=alt.condition("datum.white", alt.value("white"), alt.value(INK)),
        ),
    ]
    size = alt.Step(46)
    return styled(alt.layer(*layers).properties(width=size, height=alt.Step(34), title=title))
