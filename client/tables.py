"""Tables of results: estimates, standings and lists of runs."""

from collections.abc import Iterable
from datetime import datetime

from llm_crowdsourced.v1 import result_service_pb2, run_pb2, run_service_pb2
from rich.table import Table
from rich.text import Text

from analysis.percent import percent_of, percent_of_share
from client import enum_words, plain
from client.plain import clean
from client.run_name import run_id
from client.screen import word, words

_NONE = "-"


def _table() -> Table:
    return Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")


def standings(answer: result_service_pb2.GetStandingsResponse) -> Table:
    """Returns the standings with their uncertainty and the marks behind each."""
    table = _table()
    # Programming has no shares.
    with_share = any(s.HasField("answer_share") for s in answer.standings)
    with_rate = _has_pass_rates(answer)
    table.add_column("Rank", justify="right")
    table.add_column("95 %", justify="right")
    table.add_column("Participant", overflow="ellipsis", no_wrap=True)
    table.add_column("Answer\nscore", justify="right")
    table.add_column("95 %", justify="right")
    table.add_column("Question\nscore", justify="right")
    if with_share:
        table.add_column("Share", justify="right")
    if with_rate:
        table.add_column("Pass rate\n(rounds)", justify="right")
    table.add_column("Marks", justify="right")
    for item in answer.standings:
        cells = [
            Text(str(item.rank) if item.HasField("rank") else _NONE),
            _places(item),
            word(item.participant),
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
    sentences = (answer.coverage_warning, answer.verification_warning)
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
    table.add_column("Participant", overflow="ellipsis", no_wrap=True)
    for heading in ("Calls", "Prompt tokens", "Reply tokens", "Cost"):
        table.add_column(heading, justify="right")
    for item in answer.participants:
        cost = item.cost_usd if item.HasField("cost_usd") else None
        row = _amounts(item.calls, item.prompt_tokens, item.completion_tokens, cost)
        table.add_row(word(item.participant), *row)
    cost = answer.cost_usd if answer.HasField("cost_usd") else None
    row = _amounts(answer.calls, answer.prompt_tokens, answer.completion_tokens, cost)
    table.add_row("In all", *row, style="bold")
    return table


def _amounts(calls: int, prompt: int, completion: int, cost: float | None) -> list[str]:
    money = "unknown" if cost is None else f"about {plain.dollars(cost)}" if cost else "none"
    return [f"{calls:,}", f"about {prompt:,}", f"about {completion:,}", money]


def runs(items: Iterable[run_pb2.Run]) -> Table:
    """Returns a list of runs, a line each."""
    table = _table()
    table.add_column("Run", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Subject", no_wrap=True)
    table.add_column("Steps", justify="right", no_wrap=True)
    table.add_column("Created", no_wrap=True)
    # The only column that may wrap, so that ids are whole on a narrow screen.
    table.add_column("Title")
    for run in items:
        done, total = run.progress.done_steps, run.progress.total_steps
        table.add_row(
            Text(run_id(run.name)),
            Text(enum_words.state(run.state)),
            Text(enum_words.subject(run.league.subject)),
            Text(f"{done} of {total}"),
            Text(local_time(run)),
            word(run.league.title),
        )
    return table


def local_time(run: run_pb2.Run) -> str:
    """Returns when a run was created, in the time of this machine."""
    created: datetime = run.create_time.ToDatetime().astimezone()
    return f"{created:%Y-%m-%d %H:%M}"
