"""Tables of results: estimates, standings and lists of runs."""

from collections.abc import Iterable
from datetime import datetime

from llm_crowdsourced.v1 import result_service_pb2, run_pb2, run_service_pb2
from rich.cells import cell_len
from rich.console import JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from analysis.percent import percent_of, percent_of_share
from client import enum_words, plain
from client.narrow import Ids
from client.plain import clean
from client.run_name import run_id
from client.screen import words

_NONE = "-"
# Columns of a list of runs on a narrow screen.
_LEAST_TITLE = 12
_LONGEST_RUN = 30


def _table(padding: tuple[int, int, int, int] = (0, 1, 0, 1)) -> Table:
    return Table(box=None, padding=padding, pad_edge=False, header_style="bold")


def standings(answer: result_service_pb2.GetStandingsResponse) -> Table:
    """Returns the standings with their uncertainty and the marks behind each."""
    # One blank between columns: nine of them have to go into 76.
    table = _table((0, 1, 0, 0))
    ids = Ids(item.participant for item in answer.standings)
    # Programming has no shares.
    with_share = any(s.HasField("answer_share") for s in answer.standings)
    with_rate = _has_pass_rates(answer)
    headings = ["Answer\nscore", "Score\n95 %", "Question\nscore"]
    headings += ["Share"] if with_share else []
    headings += ["Pass rate\n(rounds)"] if with_rate else []
    table.add_column("Rank", justify="right", no_wrap=True)
    table.add_column("Rank\n95 %", justify="right", no_wrap=True)
    # The one column that gives way.
    table.add_column("Participant")
    for heading in (*headings, "Marks"):
        table.add_column(heading, justify="right", no_wrap=True)
    for item in answer.standings:
        cells: list[RenderableType] = [
            Text(str(item.rank) if item.HasField("rank") else _NONE),
            _places(item),
            ids.cell(item.participant),
            _figure(item.answer_score if item.HasField("answer_score") else None),
            _interval(item),
            _figure(item.question_score if item.HasField("question_score") else None),
        ]
        if with_share:
            cells.append(_figure(item.answer_share if item.HasField("answer_share") else None))
        if with_rate:
            cells.append(_pass_rate(item))
        table.add_row(*cells, Text(f"{item.marks} of {item.planned_marks}"))
    return table


def warning(answer: result_service_pb2.GetStandingsResponse) -> list[Text]:
    """Returns what is to stand above all results: that too little arrived, or was verified."""
    arrived = answer.coverage_warning
    if arrived and not answer.marks:
        # There are no standings that could be read with care.
        arrived = f"None of {plain.count(answer.planned_marks, 'planned mark')} has arrived: there are no standings."
    sentences = (arrived, answer.verification_warning)
    return [words(told, "yellow") for told in sentences if told]


def _places(item: result_service_pb2.Standing) -> Text:
    if not item.HasField("best_rank"):
        return Text(_NONE)
    return Text(f"{item.best_rank}-{item.worst_rank}")


def _has_pass_rates(answer: result_service_pb2.GetStandingsResponse) -> bool:
    return any(s.HasField("pass_rate") for s in answer.standings)


def _pass_rate(item: result_service_pb2.Standing) -> Text:
    """Returns the mean pass rate and its rounds; only what is complete is 100 %."""
    if not item.HasField("pass_rate"):
        return Text(_NONE)
    return Text(f"{percent_of_share(item.pass_rate)} ({item.pass_rate_rounds})")


def _interval(item: result_service_pb2.Standing) -> Text:
    if not item.HasField("answer_score_low"):
        return Text(_NONE)
    return Text(f"{item.answer_score_low:.2f}-{item.answer_score_high:.2f}")


def reading(answer: result_service_pb2.GetStandingsResponse) -> str:
    """Returns how to read the standings: who can be told apart, how many marks there are."""
    planned = answer.planned_marks
    share = f" ({percent_of(answer.marks, planned)})" if planned else ""
    missing = planned - answer.marks
    tail = "; what is missing counts as missing, not as 0" if missing else ""
    received = f"Marks received: {answer.marks} of {planned}{share}{tail}."
    if _has_pass_rates(answer):
        received += (
            "\nPass rate: share of cases that programs passed, a mean over the rounds in "
            "brackets; no judge's opinion, and no part of the rank."
        )
    return f"{clean(answer.summary)}\n{received}" if answer.summary else received


def _figure(value: float | None) -> Text:
    return Text(_NONE if value is None else f"{value:.2f}")


def estimate(answer: run_service_pb2.EstimateRunResponse) -> Table:
    """Returns what a league would take, by participant and in all."""
    table = _table()
    ids = Ids(item.participant for item in answer.participants)
    table.add_column("Participant")
    for heading in ("Calls", "Prompt tokens", "Reply tokens", "Cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    for item in answer.participants:
        cost = item.cost_usd if item.HasField("cost_usd") else None
        row = _amounts(item.calls, item.prompt_tokens, item.completion_tokens, cost)
        table.add_row(ids.cell(item.participant), *row)
    cost = answer.cost_usd if answer.HasField("cost_usd") else None
    row = _amounts(answer.calls, answer.prompt_tokens, answer.completion_tokens, cost)
    table.add_row("In all", *row, style="bold")
    return table


def _amounts(calls: int, prompt: int, completion: int, cost: float | None) -> list[str]:
    money = "unknown" if cost is None else f"about {plain.dollars(cost)}" if cost else "none"
    return [f"{calls:,}", f"about {prompt:,}", f"about {completion:,}", money]


def runs(items: Iterable[run_pb2.Run], width: int) -> Table:
    """Returns a list of runs, a line each in that many columns, or without what matters least."""
    rows = [_run(run) for run in items]
    needed = {
        heading: max(len(heading), *(cell_len(row[heading]) for row in rows)) for heading in rows[0]
    }
    blanks = 2 * len(needed)
    needed["Run"] = min(needed["Run"], _LONGEST_RUN)
    longest = needed.pop("Title")
    least = min(longest, _LEAST_TITLE)
    for heading in ("Subject", "Created"):
        if sum(needed.values()) + least + blanks > width:
            del needed[heading]
    title = min(longest, width - sum(needed.values()) - blanks)
    table = _table()
    for heading, room in needed.items():
        # An id is never cut: it is typed again.
        justify: JustifyMethod = "right" if heading == "Steps" else "left"
        table.add_column(heading, justify=justify, width=room, overflow="fold")
    if title >= least:
        table.add_column("Title", no_wrap=True)
    for row in rows:
        cells = [Text(row[heading]) for heading in needed]
        shown = [Text(plain.one_line(row["Title"], title))] if title >= least else []
        table.add_row(*cells, *shown)
    return table


def _run(run: run_pb2.Run) -> dict[str, str]:
    return {
        "Run": run_id(run.name),
        "State": enum_words.state(run.state),
        "Subject": enum_words.subject(run.league.subject),
        "Steps": f"{run.progress.done_steps} of {run.progress.total_steps}",
        "Created": local_time(run),
        "Title": plain.one_line(run.league.title),
    }


def local_time(run: run_pb2.Run) -> str:
    """Returns when a run was created, in the time of this machine."""
    created: datetime = run.create_time.ToDatetime().astimezone()
    return f"{created:%Y-%m-%d %H:%M}"
