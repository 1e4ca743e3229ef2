"""Charts of a programming league: what programs did, and which judges saw it."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.accuracy import Accuracy
from analysis.charts import Bar, bar_text, grouped_bars
from analysis.pass_rates import MIB, ModelRuns, PassRate, verdicts_in
from analysis.percent import percent_of_share
from analysis.scores import Standing
from analysis.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    SOFT,
    VERDICT_COLORS,
    amount,
    data,
    styled,
    titled,
    unique_names,
)

JUDGED, PASSED = "judges' score", "cases passed"
_NAME = 34
_LEAST_S = 0.001
"""Shorter times are drawn here: a logarithm has no 0."""


def pass_rate_bars(rates: Sequence[PassRate], standings: Sequence[Standing]) -> Any:
    """Returns the judges' score of each model beside the share of cases that it passes."""
    names = unique_names([s.model for s in standings], _NAME)
    by_model = {rate.model: rate for rate in rates}
    bars = []
    for s in standings:
        name, rate = names[s.model], by_model.get(s.model)
        bars.append(Bar(name, JUDGED, s.answer_score, s.low, s.high, "no marks"))
        ends = (rate.value, rate.low, rate.high) if rate else (None, None, None)
        value, low, high = (None if share is None else 100 * share for share in ends)
        bars.append(Bar(name, PASSED, value, low, high, "no pass rate"))
    layers = grouped_bars(
        bars,
        {JUDGED: BLUE, PASSED: GREEN},
        top=100.0,
        axis="score out of 100; % of cases",
        digits=1,
    )
    n = sum(rate.rounds for rate in rates)
    level = rates[0].level if rates else 0.95
    return styled(
        layers.properties(
            width=430,
            height=alt.Step(20),
            title=titled(
                "What judges gave, and what programs passed",
                f"n = {amount(n, 'program')} with a pass rate, "
                f"{amount(sum(s.marks for s in standings), 'mark')}; line: "
                f"{percent_of_share(level)} interval over questions",
            ),
        )
    )


def verdict_bars(runs: Sequence[ModelRuns], order: Sequence[str]) -> Any:
    """Returns stacked bars of the verdicts on each model's cases.

    Args:
        runs: What programs came to.
        order: The models, best first.
    """
    names = unique_names(list(order), _NAME)
    kinds = verdicts_in(runs)
    rows, counts = [], []
    by_model = {run.model: run for run in runs}
    for model in order:
        found = by_model[model].verdicts if model in by_model else {}
        total = sum(found.values())
        told = amount(total, "case") if total else "no case run"
        counts.append({"model": names[model], "at": 1.0 if total else 0.0, "text": told})
        rows += [
            {
                "model": names[model],
                "verdict": verdict.replace("_", " "),
                "share": found[verdict] / total,
                "place": place,
            }
            for place, verdict in enumerate(kinds)
            if found.get(verdict)
        ]
    y = alt.Y("model:N", sort=list(names.values()), title=None)
    x = alt.Scale(domain=[0, 1], nice=False)
    words = [kind.replace("_", " ") for kind in kinds]
    bars = (
        alt.Chart(data(rows))
        .mark_bar(height={"band": 0.72}, stroke="white", strokeWidth=0.8)
        .encode(
            y=y,
            x=alt.X(
                "share:Q",
                scale=x,
                title="share of cases",
                axis=alt.Axis(format="%", tickCount=5),
                stack="zero",
            ),
            order=alt.Order("place:Q"),
            color=alt.Color(
                "verdict:N",
                title=None,
                sort=words,
                scale=alt.Scale(
                    domain=words, range=[VERDICT_COLORS.get(kind, SOFT) for kind in kinds]
                ),
                legend=alt.Legend(orient="top", direction="horizontal", columns=4, labelLimit=200),
            ),
        )
    )
    n = sum(sum(run.verdicts.values()) for run in runs)
    return styled(
        alt.layer(
            bars, bar_text(counts, SOFT).encode(y=y, x=alt.X("at:Q", scale=x), text="text:N")
        ).properties(
            width=430,
            height=alt.Step(30),
            title=titled(
                "How programs ended, case by case",
                f"n = {amount(n, 'case')}; a program that does not compile fails on all of its "
                "cases; disputed ones are left out",
            ),
        )
    )


def resource_ranges(runs: Sequence[ModelRuns], order: Sequence[str]) -> Any:
    """Returns CPU time and memory of each model's accepted cases: median, quartiles, range.

    Args:
        runs: What programs came to.
        order: The models, best first.
    """
    names = unique_names(list(order), _NAME)
    by_model = {run.model: run for run in runs}
    seconds, memory = [], []
    for model in order:
        run = by_model.get(model)
        if run is None or not run.cpu_s:
            continue
        seconds.append(_range(names[model], [max(_LEAST_S, value) for value in run.cpu_s], "s"))
        memory.append(_range(names[model], [value / MIB for value in run.memory_bytes], "MiB"))
    n = sum(len(run.cpu_s) for run in runs)
    # Both panels have a row for every model, those without an accepted case too.
    sort = list(names.values())
    return styled(
        alt.hconcat(
            _ranges(seconds, sort, "CPU time of a case, s", labels=True),
            _ranges(memory, sort, "peak memory of a case, MiB", labels=False),
            spacing=18,
            title=titled(
                "Time and memory of accepted cases",
                f"n = {amount(n, 'accepted case')}; dot and figure: median, thick: middle half, "
                "thin: all; logarithmic",
            ),
        )
    )


def _range(model: str, values: Sequence[float], unit: str) -> dict[str, Any]:
    """Returns where values lie."""
    low = middle = high = values[0]
    if len(values) > 1:
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {
        "model": model,
        "least": min(values),
        "low": low,
        "median": middle,
        "high": high,
        "most": max(values),
        "text": f"{middle:.3g} {unit}",
    }


def _ranges(rows: list[dict[str, Any]], sort: list[str], title: str, *, labels: bool) -> Any:
    """Returns one panel of ranges."""
    ends = [row[end] for row in rows for end in ("least", "most") if row[end] > 0]
    least = 10 ** math.floor(math.log10(min(ends))) if ends else 1
    most = 10 ** math.ceil(math.log10(max(ends)) + 0.01) if ends else 10
    scale = alt.Scale(type="log", domain=[least, most], nice=False)
    axis = alt.Axis(labels=labels, ticks=labels, domain=labels)
    y = alt.Y("model:N", sort=sort, title=None, axis=axis, scale=alt.Scale(domain=sort))
    x = alt.X("least:Q", scale=scale, title=title, axis=alt.Axis(format="~g", tickCount=4))
    base = alt.Chart(data(rows))
    return alt.layer(
        base.mark_rule(color=SOFT, strokeWidth=1).encode(y=y, x=x, x2="most:Q"),
        base.mark_rule(color=BLUE, strokeWidth=6, opacity=0.35).encode(
            y=y, x=alt.X("low:Q", scale=scale), x2="high:Q"
        ),
        base.mark_point(color=BLUE, filled=True, size=55, opacity=1).encode(
            y=y, x=alt.X("median:Q", scale=scale)
        ),
        base.mark_text(dy=-11, fontSize=10.5, color=INK, clip=False).encode(
            y=y, x=alt.X("median:Q", scale=scale), text="text:N"
        ),
    ).properties(width=250, height=alt.Step(36))


def accuracy_chart(found: Accuracy) -> Any:
    """Returns how far each judge's scores agree with the outcomes, and how often they invert them."""
    # What is behind the names has to fit too.
    room = _NAME - len(" (hidden)") if found.apart else _NAME
    names = unique_names(list(dict.fromkeys(judge.judge for judge in found.judges)), room)
    taus, shares = [], []
    sort = []
    for judge in found.judges:
        name = names[judge.judge]
        if found.apart:
            name = f"{name} ({judge.evidence})"
        sort.append(name)
        pairs = f"of {judge.comparable:,}" if judge.comparable else "no such pair"
        taus.append(_dot(name, judge.tau, judge.tau_low, judge.tau_high, "none"))
        share = _dot(name, judge.share, judge.share_low, judge.share_high, pairs)
        if judge.share is not None:
            share["text"] = f"{judge.inverted:,} {pairs}"
        shares.append(share)
    pairs_behind = sum(judge.comparable for judge in found.judges)
    left = _dots(
        taus,
        sort,
        (-1.0, 1.0),
        alt.Axis(title="tau-b of scores and pass rates", values=[-1, -0.5, 0, 0.5, 1]),
        chance=0.0,
        labels=True,
    )
    right = _dots(
        shares,
        sort,
        (0.0, 1.0),
        alt.Axis(format="%", tickCount=5, title="failing program scored above a passing one"),
        chance=0.5,
        labels=False,
    )
    return styled(
        alt.hconcat(
            left,
            right,
            spacing=18,
            title=titled(
                "Which judges saw what the programs did",
                f"n = {amount(found.questions, 'verified question')}, {amount(pairs_behind, 'pair')} "
                "of a passing and a failing program;",
                f"line: {percent_of_share(found.level)} interval over questions; dashed: what guessing gives",
            ),
        )
    )


def _dot(
    name: str, value: float | None, low: float | None, high: float | None, blank: str
) -> dict[str, Any]:
    """Returns one figure of one judge."""
    text = blank if value is None else f"{value:.2f}"
    return {"judge": name, "value": value, "low": low, "high": high, "text": text}


def _dots(
    rows: list[dict[str, Any]],
    sort: list[str],
    domain: tuple[float, float],
    axis: alt.Axis,
    *,
    chance: float,
    labels: bool,
) -> Any:
    """Returns one panel of dots with their intervals."""
    start, end = domain
    scale = alt.Scale(domain=[start, end])
    side = alt.Axis(labels=labels, ticks=labels, domain=labels)
    y = alt.Y("judge:N", sort=sort, title=None, axis=side, scale=alt.Scale(domain=sort))
    there = [row for row in rows if row["value"] is not None]
    blank = [row | {"value": start} for row in rows if row["value"] is None]
    spans = [row for row in there if row["low"] is not None]
    low, at = alt.X("low:Q", scale=scale), alt.X("value:Q", scale=scale)
    return alt.layer(
        alt.Chart(data([{"value": chance}]))
        .mark_rule(color=ORANGE, strokeDash=[4, 3], strokeWidth=1.2)
        .encode(x=alt.X("value:Q", scale=scale, axis=axis)),
        alt.Chart(data(spans))
        .mark_rule(color=INK, strokeWidth=1.6)
        .encode(y=y, x=low, x2="high:Q"),
        alt.Chart(data(there))
        .mark_point(color=BLUE, filled=True, size=70, opacity=1)
        .encode(y=y, x=at),
        alt.Chart(data(there))
        .mark_text(dy=-11, fontSize=10.5, color=INK, clip=False)
        .encode(y=y, x=at, text="text:N"),
        bar_text(blank, SOFT).encode(y=y, x=at, text="text:N"),
    ).properties(width=250, height=alt.Step(36))
