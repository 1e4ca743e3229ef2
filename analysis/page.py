"""One HTML page of a dataset that works offline, alone, and without scripts."""

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import jinja2
from markupsafe import Markup

from analysis.agreement import Agreement
from analysis.calls import call_summaries
from analysis.coverage import Coverage
from analysis.coverage_words import LEGEND
from analysis.dataset import Dataset
from analysis.percent import percent_of, percent_of_share
from analysis.programs import Programs
from analysis.resampling import TIE
from analysis.scores import RoundScore, Standing, tie_sentence
from analysis.verdict_words import OUTDATED, legend, words
from analysis.verification import verification
from analysis.views import DASH, failure_views, grids, mark_words, round_views

_TEMPLATES = files("analysis") / "templates"
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# They would reverse our own words behind a model's, in texts and in attributes.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_HALF_PX = 660
_SIZE = re.compile(rb'<svg[^>]* width="([\d.]+)" height="([\d.]+)"')


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart on the page.

    Attributes:
        title: What it shows.
        description: The same for people who cannot see it.
        svg: The picture.
    """

    title: str
    description: str
    svg: bytes

    @property
    def uri(self) -> str:
        """The picture inside the page; as an image it can neither run nor load anything."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        found = _SIZE.search(self.svg)
        return (round(float(found[1])), round(float(found[2]))) if found else (800, 500)

    @property
    def is_wide(self) -> bool:
        """Whether it takes the whole width of the page: half of it would make it too small."""
        return self.size[0] > _HALF_PX


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was computed of a dataset, once for all parts of a report.

    `programs` is `None` where no program was run.
    """

    rows: tuple[RoundScore, ...]
    standings: tuple[Standing, ...]
    agreement: Agreement
    coverage: Coverage
    programs: Programs | None = None


def page(
    dataset: Dataset,
    findings: Findings,
    figures: Sequence[Figure],
    *,
    notes: Sequence[str] = (),
) -> bytes:
    """Returns the page in UTF-8.

    Text of models is escaped by the template engine, shown as it stands and cannot leave
    its box; the page's policy forbids scripts and every request.

    Args:
        dataset: The runs.
        findings: What was computed of them.
        figures: The charts.
        notes: Sentences of honesty for the top of the page.
    """
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "num": _number,
        "total": _total,
        "pct": _percent,
        "share": lambda value: DASH if value is None else percent_of_share(value),
        "signed": _signed,
        "points": lambda value: DASH if value is None else f"{_signed(100 * value, 1)} pp",
        "mark": lambda value: DASH if value is None else mark_words(value),
        "verdict": words,
        "of": percent_of,
        "count": _count,
        "usd": _usd,
        "time": lambda value: f"{value:%Y-%m-%d %H:%M %Z}" if value else DASH,
    }
    template = environment.get_template("report.html.j2")
    rounds = round_views(dataset, findings.rows)
    run_ids = {run.id for run in dataset.runs}
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    html = template.render(
        title=_title(dataset),
        dataset=dataset,
        style=Markup(style),  # noqa: S704  a file of this package, not a model's text
        style_hash=digest,
        notes=notes,
        found=findings,
        tie=tie_sentence(findings.standings),
        figures=figures,
        grids=grids(dataset, findings.coverage),
        legend=LEGEND,
        failures=failure_views(dataset, findings.coverage),
        rounds=rounds,
        outdated_words=OUTDATED,
        verdict_legend=legend(answer.verdicts for view in rounds for answer in view.answers),
        calls=call_summaries(dataset),
        totals=_totals(dataset),
        math=dataset.subject == "math",
        programs=findings.programs,
        verified=verification(dataset),
        rated=findings.programs is not None and bool(findings.programs.rates),
        checked=[v for v in rounds if v.check and v.run.source_run not in run_ids],
        first=findings.standings[0] if findings.standings else None,
    )
    html = _TURNS.sub(lambda found: f"[U+{ord(found[0]):04X}]", html)
    return _UNSEEN.sub("�", html).encode()


def _template(name: str) -> str:
    """Returns a template of this package."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _title(dataset: Dataset) -> str:
    """Returns the title of the page."""
    titles = list(dict.fromkeys(run.title or run.id for run in dataset.runs))
    return titles[0] if len(titles) == 1 else f"{titles[0]} and {len(titles) - 1} more"


def _totals(dataset: Dataset) -> Mapping[str, int]:
    """Returns the numbers for the head of the page."""
    return {
        "runs": len(dataset.runs),
        "rounds": sum(len(run.rounds) for run in dataset.runs),
        "participants": len(dataset.participants),
        "calls": sum(len(run.calls) for run in dataset.runs),
    }


def _number(value: float | None, digits: int = 2) -> str:
    """Formats a number; a dash for none."""
    return DASH if value is None else f"{value:,.{digits}f}".replace("-", "\u2212")


def _total(value: float | None) -> str:
    """Formats a sum of marks: without decimals where it is whole, for shared ranks give halves."""
    if value is None:
        return DASH
    return _number(value, 0 if math.isclose(value, round(value), abs_tol=TIE) else 1)


def _signed(value: float | None, digits: int = 2) -> str:
    """Formats a difference with its sign; a dash for none."""
    return DASH if value is None else f"{value:+.{digits}f}".replace("-", "\u2212")


def _percent(value: float | None) -> str:
    """Formats a share of 1."""
    return DASH if value is None else f"{value:.0%}".replace("%", "\u202f%")


def _count(value: int | None) -> str:
    """Formats a whole number."""
    return DASH if value is None else f"{value:,}"


def _usd(value: float | None) -> str:
    """Formats a cost; small ones keep digits that say something."""
    cent = 0.01
    if value is None:
        return DASH
    return f"${value:,.2f}" if value >= cent or not value else f"${value:.5f}"
