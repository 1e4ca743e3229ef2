"""Radars: one for each answerer, with one axis for each setter of questions.

Vega-Lite has no radar; the corners are computed here, and one small radar a model stays
legible where all in one would not.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt

from analysis.charts import full_mark
from analysis.dataset import Dataset
from analysis.marks import mean
from analysis.scores import RoundScore, Standing, setter_answerer_matrix
from analysis.style import BLUE, INK, LINE, SOFT, amount, clipped, data, styled, titled

_Side = Literal["center", "left", "right"]
_RINGS = (0.25, 0.5, 0.75, 1.0)
_NAMED = 6
"""Up to this many axes have room for short names; beyond, they are numbered."""
_SHORT = 12
_PANEL = 190
_LABEL_AT = 1.13


def setter_radars(
    rows: Sequence[RoundScore], standings: Sequence[Standing], dataset: Dataset
) -> Any:
    """Returns small radars, best model first.

    The grey shape is the mean of everybody who answered that setter's questions; an axis
    without a mark has no corner, and a model's own axis is dashed.
    """
    order = [s.model for s in standings]
    matrix = setter_answerer_matrix(rows)
    top = full_mark(dataset)
    named = len(order) <= _NAMED and all(len(name) <= _SHORT for name in order)
    labels = list(order) if named else [str(i + 1) for i in range(len(order))]
    everyone = []
    for setter in order:
        got = [matrix[setter, a].value for a in order if (setter, a) in matrix]
        everyone.append(mean([value for value in got if value is not None]))
    panels = []
    for number, standing in enumerate(standings):
        model = standing.model
        cells = [matrix.get((setter, model)) for setter in order]
        values = [cell.value if cell else None for cell in cells]
        heading = model if named else f"{number + 1}  {model}"
        panels.append(
            _panel(
                values,
                everyone,
                labels,
                number,
                top=top,
                title=alt.TitleParams(
                    clipped(heading, 30),
                    subtitle=_subtitle(standing),
                    anchor="middle",
                    fontSize=12,
                    subtitleFontSize=11,
                    offset=4,
                ),
            )
        )
    columns = 3 if len(panels) in (3, 5, 6, 9) else 2 if named else 4
    key = "axes: setters" if named else "axes: setters, by the numbers in the headings"
    title = titled(
        "Each model on each setter's questions",
        f"blue: mean round score of the model, grey: of all who answered; {key}, dashed: its own;",
        f"centre 0, rim {top:g}; n = {amount(sum(s.rounds for s in standings), 'marked answer')}",
    )
    return styled(alt.concat(*panels, columns=columns, title=title, spacing=14))


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


def _panel(
    values: Sequence[float | None],
    everyone: Sequence[float | None],
    labels: Sequence[str],
    own: int,
    *,
    top: float,
    title: alt.TitleParams,
) -> Any:
    """Returns one radar."""
    n = len(labels)
    rings = [
        _point(axis, n, ring) | {"ring": ring, "order": axis}
        for ring in _RINGS
        for axis in range(n)
    ]
    spokes = [
        {"x": 0.0, "y": 0.0, "x2": end["x"], "y2": end["y"], "own": axis == own}
        for axis in range(n)
        for end in [_point(axis, n, 1.0)]
    ]
    x, y = _axis("x"), _axis("y")
    spoke = {"x": x, "y": y, "x2": "x2:Q", "y2": "y2:Q"}
    shape = {"x": x, "y": y, "order": "order:Q"}
    mine, theirs = _corners(values, top), _corners(everyone, top)
    layers = [
        alt.Chart(data(rings))
        .mark_line(interpolate="linear-closed", color=LINE, strokeWidth=0.8)
        .encode(**shape, detail="ring:N"),
        alt.Chart(data([s for s in spokes if not s["own"]]))
        .mark_rule(color=LINE, strokeWidth=0.8)
        .encode(**spoke),
        alt.Chart(data([s for s in spokes if s["own"]]))
        .mark_rule(color=SOFT, strokeWidth=1, strokeDash=[2, 3])
        .encode(**spoke),
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
        *_labels(labels, x, y),
    ]
    return alt.layer(*layers).properties(width=_PANEL, height=_PANEL, title=title)


def _labels(labels: Sequence[str], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Returns the labels in three layers, since a mark has one alignment."""
    slack = 0.2
    sides: dict[_Side, list[dict[str, Any]]] = {"center": [], "left": [], "right": []}
    for axis, label in enumerate(labels):
        point = _point(axis, len(labels), _LABEL_AT)
        side: _Side = "left" if point["x"] > slack else "right" if point["x"] < -slack else "center"
        sides[side].append(point | {"label": label})
    return [
        alt.Chart(data(rows))
        .mark_text(align=side, baseline="middle", fontSize=11, color=INK, clip=False)
        .encode(x=x, y=y, text="label:N")
        for side, rows in sides.items()
        if rows
    ]


def _axis(name: str) -> Any:
    """Returns one of two equal axes that are not drawn."""
    kind = alt.X if name == "x" else alt.Y
    return kind(f"{name}:Q", scale=alt.Scale(domain=[-1.2, 1.2]), axis=None)
