"""Panels: one for each answerer, a radar or dots, on the questions of each other model.

Vega-Lite has no radar; the corners are computed here, and one small radar a model stays
legible where all in one would not.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import altair as alt

from analysis.charts import full_mark
from analysis.dataset import Dataset
from analysis.marks import mean
from analysis.scores import RoundScore, Standing, setter_answerer_matrix
from analysis.style import (
    BLUE,
    INK,
    LINE,
    SOFT,
    amount,
    clipped,
    data,
    styled,
    titled,
    unique_names,
)

_Side = Literal["center", "left", "right"]
_RINGS = (0.25, 0.5, 0.75, 1.0)
_LEAST = 5
"""Axes from which a radar has a shape."""
_FEW, _MOST_COLUMNS = 4, 3
_SHORT = 14
_PANEL = 170
_REACH = 1.75
"""Of the frame to each side, of which the names beyond the rim take what the radar leaves."""
_LABEL_AT = 1.13
MOST_PANELS = 24
"""Models beyond which nobody can read a panel for each: the heat map has the same figures."""
_CROWDED = 14
"""Axes beyond which names are written small."""


class _Spoke(NamedTuple):
    """One axis: the setter, the model's mean on its questions, and that of all."""

    label: str
    value: float | None
    everyone: float | None


def setter_panels(
    rows: Sequence[RoundScore], standings: Sequence[Standing], dataset: Dataset
) -> Any:
    """Returns a small panel for each model, best first: how it did on each other's questions.

    Grey is the mean of everybody who answered that setter's questions. A radar has an axis
    for each other model, and no corner where there is no mark; with less than `_LEAST` axes
    its shape would say little, and the panel has dots in rows.
    """
    order = [s.model for s in standings]
    matrix = setter_answerer_matrix(rows)
    top = full_mark(dataset)
    round_ = len(order) > _LEAST
    names = unique_names(order, _SHORT)
    everyone = {}
    for setter in order:
        got = [matrix[setter, a].value for a in order if (setter, a) in matrix]
        everyone[setter] = mean([value for value in got if value is not None])
    panels = []
    for standing in standings:
        spokes = []
        for setter in order:
            if setter != standing.model:
                cell = matrix.get((setter, standing.model))
                value = cell.value if cell else None
                spokes.append(_Spoke(names[setter], value, everyone[setter]))
        title = alt.TitleParams(
            clipped(standing.model, 30),
            subtitle=_subtitle(standing),
            anchor="middle",
            fontSize=12,
            subtitleFontSize=11,
            offset=4,
        )
        panels.append(_radar(spokes, top, title) if round_ else _dots(spokes, top, title))
    key = "axes" if round_ else "rows"
    scale = f"centre 0, rim {top:g}; " if round_ else ""
    title = titled(
        "Each model on each setter's questions",
        "blue: mean round score of the model, grey: of all who answered;",
        f"{key}: the setters, without itself; {scale}"
        f"n = {amount(sum(s.rounds for s in standings), 'marked answer')}",
    )
    return styled(alt.concat(*panels, columns=_columns(len(panels)), title=title, spacing=14))


def _columns(panels: int) -> int:
    """Returns how many panels stand side by side."""
    return 2 if panels <= _FEW else _MOST_COLUMNS


def _subtitle(standing: Standing) -> str:
    """Returns what one radar rests on."""
    if standing.answer_score is None:
        return "no marks"
    return f"mean {standing.answer_score:.2f}, n = {amount(standing.rounds, 'round')}"


def _point(axis: int, axes: int, radius: float) -> dict[str, float]:
    """Returns a point on an axis; the first axis points up, the next clockwise."""
    angle = 2 * math.pi * axis / axes
    return {"x": radius * math.sin(angle), "y": radius * math.cos(angle)}


def _corners(values: Sequence[float | None], top: float) -> list[dict[str, Any]]:
    """Returns the corners of a shape, in order around the centre."""
    n = len(values)
    return [
        _point(axis, n, min(1.0, max(0.0, value / top))) | {"order": axis}
        for axis, value in enumerate(values)
        if value is not None
    ]


def _radar(spokes: Sequence[_Spoke], top: float, title: alt.TitleParams) -> Any:
    """Returns one radar."""
    n = len(spokes)
    rings = [
        _point(axis, n, ring) | {"ring": ring, "order": axis}
        for ring in _RINGS
        for axis in range(n)
    ]
    lines = [
        {"x": 0.0, "y": 0.0, "x2": end["x"], "y2": end["y"]}
        for axis in range(n)
        for end in [_point(axis, n, 1.0)]
    ]
    x, y = _axis("x"), _axis("y")
    shape = {"x": x, "y": y, "order": "order:Q"}
    mine = _corners([spoke.value for spoke in spokes], top)
    theirs = _corners([spoke.everyone for spoke in spokes], top)
    layers = [
        alt.Chart(data(rings))
        .mark_line(interpolate="linear-closed", color=LINE, strokeWidth=0.8)
        .encode(**shape, detail="ring:N"),
        alt.Chart(data(lines))
        .mark_rule(color=LINE, strokeWidth=0.8)
        .encode(x=x, y=y, x2="x2:Q", y2="y2:Q"),
        alt.Chart(data(theirs))
        .mark_line(interpolate="linear-closed", color=SOFT, strokeWidth=1, opacity=0.8)
        .encode(**shape),
        alt.Chart(data(mine))
        .mark_line(
            interpolate="linear-closed",
            color=BLUE,
            strokeWidth=2,
            filled=True,
            fill=BLUE,
            fillOpacity=0.14,
            stroke=BLUE,
        )
        .encode(**shape),
        alt.Chart(data(mine))
        .mark_point(color=BLUE, filled=True, size=22, opacity=1)
        .encode(x=x, y=y),
        *_labels([spoke.label for spoke in spokes], x, y),
    ]
    return alt.layer(*layers).properties(width=_PANEL * _REACH / 1.2, height=_PANEL, title=title)


def _dots(spokes: Sequence[_Spoke], top: float, title: alt.TitleParams) -> Any:
    """Returns one panel of dots, a row a setter."""
    there = [
        {"setter": spoke.label, "value": spoke.value, "everyone": spoke.everyone}
        for spoke in spokes
        if spoke.value is not None
    ]
    blank = [{"setter": s.label, "at": 0.0, "text": "no mark"} for s in spokes if s.value is None]
    y = alt.Y(
        "setter:N",
        sort=[spoke.label for spoke in spokes],
        scale=alt.Scale(domain=[spoke.label for spoke in spokes]),
        title=None,
        axis=alt.Axis(grid=True, ticks=False, domain=False),
    )
    scale = alt.Scale(domain=[0, top], nice=False)
    axis = alt.Axis(tickCount=4, grid=False)
    x = alt.X("value:Q", scale=scale, title=None, axis=axis)
    everyone = alt.X("everyone:Q", scale=scale, title=None, axis=axis)
    layers = [
        alt.Chart(data(there))
        .mark_rule(color=BLUE, opacity=0.35, strokeWidth=2)
        .encode(y=y, x=x, x2="everyone:Q"),
        alt.Chart(data(there))
        .mark_tick(color=SOFT, thickness=2.5, size=15, opacity=1)
        .encode(y=y, x=everyone),
        alt.Chart(data(there))
        .mark_point(color=BLUE, filled=True, size=70, opacity=1)
        .encode(y=y, x=x),
        alt.Chart(data(blank))
        .mark_text(align="left", dx=4, fontSize=11, color=SOFT)
        .encode(y=y, x=alt.X("at:Q", scale=scale, title=None, axis=axis), text="text:N"),
    ]
    return alt.layer(*layers).properties(width=190, height=alt.Step(24), title=title)


def _labels(labels: Sequence[str], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Returns the labels in three layers, since a mark has one alignment."""
    slack = 0.2
    size = 11 if len(labels) <= _CROWDED else 8
    sides: dict[_Side, list[dict[str, Any]]] = {"center": [], "left": [], "right": []}
    for axis, label in enumerate(labels):
        point = _point(axis, len(labels), _LABEL_AT)
        side: _Side = "left" if point["x"] > slack else "right" if point["x"] < -slack else "center"
        sides[side].append(point | {"label": label})
    return [
        alt.Chart(data(rows))
        .mark_text(align=side, baseline="middle", fontSize=size, color=INK, clip=False)
        .encode(x=x, y=y, text="label:N")
        for side, rows in sides.items()
        if rows
    ]


def _axis(name: str) -> Any:
    """Returns one of two axes of one scale that are not drawn."""
    kind = alt.X if name == "x" else alt.Y
    most = _REACH if name == "x" else 1.2
    return kind(f"{name}:Q", scale=alt.Scale(domain=[-most, most]), axis=None)
