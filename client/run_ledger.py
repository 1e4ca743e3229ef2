"""`runs.py ledger`: what a run has used, by participant and role."""

from collections.abc import Iterable

from llm_crowdsourced.v1 import result_service_pb2
from rich.table import Table
from rich.text import Text

from client import enum_words, plain, use_of_limits
from client.command_line import plain_json, print_json
from client.connection import Connection
from client.exit_status import ExitStatus
from client.narrow import Ids
from client.screen import results, say


async def fetch_ledger(connection: Connection, name: str) -> result_service_pb2.GetLedgerResponse:
    """Returns the ledger of a run.

    Raises:
        CommandError: The run is not known, or the server does not answer.
    """
    request = result_service_pb2.GetLedgerRequest(name=name)
    return await connection.ask(connection.results.GetLedger, request)


async def show_ledger(connection: Connection, name: str, *, as_json: bool) -> int:
    """Shows the ledger of a run.

    Raises:
        CommandError: The run is not known, or the server does not answer.
    """
    answer = await fetch_ledger(connection, name)
    if as_json:
        print_json(plain_json(answer))
        return ExitStatus.OK
    console = results()
    if answer.entries:
        console.print(_entries(answer.entries, answer.total))
        console.print()
    use = use_of_limits.of_ledger(answer)
    console.print(use_of_limits.table(answer.budget, use))
    if not answer.entries:
        say("No call has ended yet.")
    if missing := use_of_limits.unpriced(use):
        say(missing)
    return ExitStatus.OK


def _entries(
    entries: Iterable[result_service_pb2.LedgerEntry], total: result_service_pb2.LedgerEntry
) -> Table:
    # One blank between columns: ten of them have to go into 80.
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    entries = list(entries)
    ids = Ids(entry.participant for entry in entries)
    # The one column that gives way.
    table.add_column("Participant")
    table.add_column("Role", no_wrap=True)
    for heading in (
        "Calls",
        "Failed",
        "Tokens",
        "Cost",
        "Un-\npriced",
        "Charged\ntokens",
        "Charged\ncost",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    before = ""
    for entry in entries:
        # Said once for the lines of one participant.
        name = "" if entry.participant == before else entry.participant
        before = entry.participant
        table.add_row(ids.cell(name), Text(enum_words.role(entry.role)), *_figures(entry))
    table.add_row("In all", "", *_figures(total), style="bold")
    return table


def _figures(entry: result_service_pb2.LedgerEntry) -> list[str]:
    priced = entry.calls > entry.unpriced_calls
    return [
        f"{entry.calls:,}",
        f"{entry.failed_calls:,}",
        f"{entry.prompt_tokens + entry.completion_tokens:,}",
        plain.dollars(entry.cost_usd) if priced else "-",
        f"{entry.unpriced_calls:,}",
        f"{entry.charged_tokens:,}",
        plain.dollars(entry.charged_cost_usd),
    ]
