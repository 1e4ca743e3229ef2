"""What all charts have in common: colours, type, and names that fit."""

from typing import Any

import altair as alt

from analysis.rendering import font_list

# Okabe and Ito's palette, which people with any colour vision can tell apart.
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
INK = "#1f2933"
SOFT = "#66707a"
MISSING = "#e3e6e9"
LINE = "#d5dadf"
DIVERGING = ["#b35806", "#f7f7f7", "#542788"]
VERDICT_COLORS = {
    "accepted": GREEN,
    "wrong_answer": "#D55E00",
    "time_limit": ORANGE,
    "not_run": "#f3d08a",
    "memory_limit": "#56B4E9",
    "output_limit": "#F0E442",
    "runtime_error": "#CC79A7",
    "compile_error": INK,
    "security_violation": "#7a1fa2",
    "sandbox_error": "#c3c9cf",
}


def data(rows: list[dict[str, Any]]) -> alt.Data:
    """Returns rows as inline data."""
    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


def clipped(name: str, length: int) -> str:
    """Shortens a name in its middle, since models of a family differ at the end."""
    # A lone surrogate cannot travel to the renderer.
    name = " ".join(name.encode("utf-8", "replace").decode().split())
    if len(name) <= length:
        return name
    tail = length // 3
    return f"{name[: length - tail - 1]}…{name[-tail:]}"


def unique_names(names: list[str], length: int) -> dict[str, str]:
    """Returns names that fit, numbered where cutting would make two alike."""
    short = {name: clipped(name, length) for name in names}
    taken = list(short.values())
    return {
        name: f"{names.index(name) + 1} {cut}" if taken.count(cut) > 1 else cut
        for name, cut in short.items()
    }


def titled(text: str, *subtitle: str) -> alt.TitleParams:
    """Returns a title with what the chart rests on below it."""
    return alt.TitleParams(text, subtitle=list(subtitle), anchor="start")


def cautioned(chart: Any, shortfall: str) -> Any:
    """Returns the chart with how little arrived below its title, or as it is for an empty text."""
    if shortfall:
        chart.title.subtitle = [*chart.title.subtitle, f"Incomplete: {shortfall}"]
    return chart


def styled(chart: Any) -> Any:
    """Returns the chart with the common type, paper and lines."""
    font = font_list()
    return (
        chart.configure(font=font, background="white", padding=12)
        .configure_view(stroke=None)
        .configure_title(
            font=font,
            fontSize=15,
            color=INK,
            subtitleFont=font,
            subtitleFontSize=11.5,
            subtitleColor=SOFT,
            subtitlePadding=5,
            offset=14,
        )
        .configure_axis(
            labelFont=font,
            titleFont=font,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            labelColor=INK,
            titleColor=SOFT,
            titlePadding=12,
            gridColor="#eceff1",
            domainColor=LINE,
            tickColor=LINE,
            labelLimit=230,
        )
        .configure_legend(
            labelFont=font, titleFont=font, labelFontSize=12, titleFontSize=12, labelColor=INK
        )
    )


def amount(n: int, noun: str) -> str:
    """Returns a number with its noun, in the plural where it belongs."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
