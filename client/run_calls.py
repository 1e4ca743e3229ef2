"""`runs.py calls`: every call to a model, with its ending, or with all its text."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llm_crowdsourced.v1 import call_pb2, round_pb2
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from client import enum_words, plain
from client.call_endings import UNREAD, Ending, Endings
from client.command_line import plain_json, print_json
from client.connection import Connection
from client.dataset import list_calls, list_rounds
from client.exit_status import ExitStatus
from client.failures import CommandError
from client.follow import get_run
from client.narrow import Ids
from client.screen import results, say, word

_SENTENCES = 8
_SCHEMA = "json_schema"
_FORMATS = {"json_object": "a JSON object", "text": "plain text"}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which calls are shown.

    Attributes:
        round: Only those of this round; all if 0.
        participant: Only those of this participant; all if empty.
        role: Only those of this role; all if empty.
        failed: Only those that failed, or whose reply could not be used.
    """

    round: int = 0
    participant: str = ""
    role: str = ""
    failed: bool = False

    def has(self, call: call_pb2.Call, ending: Ending) -> bool:
        """Says whether a call is one of them."""
        return (
            self.round in (0, call.round)
            and self.participant in ("", call.participant)
            and self.role in ("", enum_words.role(call.role))
            and not (self.failed and ending.is_usable)
        )


async def conceded(connection: Connection, name: str) -> list[str]:
    """Returns, a sentence each, what endpoints did not take: JSON schemas, or settings.

    That is what remains where an endpoint does not take a schema, or no JSON mode.

    Raises:
        CommandError: The run is not known, or the server does not answer.
    """
    every: Counter[str] = Counter()
    others: Counter[tuple[str, str]] = Counter()
    notes: Counter[tuple[str, str]] = Counter()
    async for call in list_calls(connection, name, call_pb2.CALL_VIEW_BASIC):
        every[call.participant] += 1
        if call.response_format not in {"", _SCHEMA}:
            others[call.participant, call.response_format] += 1
        if call.outcome == round_pb2.OUTCOME_OK and call.detail:
            notes[call.participant, call.detail] += 1
    told = [
        f"{who}: asked for as {_FORMATS.get(how, how)} and not by JSON schema in {number:,} of "
        f"{plain.count(every[who], 'call')}"
        for (who, how), number in sorted(others.items())
    ]
    return told + [
        f"{who}: {note}, in {number:,} of {plain.count(every[who], 'call')}"
        for (who, note), number in sorted(notes.items())
    ]


async def show_calls(
    connection: Connection, name: str, chosen: Choice, *, raw: bool, as_json: bool
) -> int:
    """Shows the chosen calls of a run, in the order in which they ended.

    Raises:
        CommandError: The run, its round or its participant is not known, or the
            server does not answer.
    """
    await _check(connection, name, chosen)
    every = [c async for c in list_calls(connection, name, call_pb2.CALL_VIEW_BASIC)]
    rounds = [r async for r in list_rounds(connection, name, round_pb2.ROUND_VIEW_BASIC)]
    endings = Endings(every, rounds)
    calls = [(call, end) for call in every if chosen.has(call, end := endings.of(call))]
    if not calls and not as_json:
        say(_none(chosen))
    elif raw:
        whole = list_calls(connection, name, call_pb2.CALL_VIEW_FULL)
        # The texts of a long run do not fit into memory: printed as they come.
        documents = []
        async for call in whole:
            if not chosen.has(call, end := endings.of(call)):
                continue
            if as_json:
                documents.append(_document(call, end))
                continue
            for line in _whole(call, end):
                results().print(line, soft_wrap=True)
        if as_json:
            print_json({"calls": documents})
    elif as_json:
        print_json({"calls": [_document(call, end) for call, end in calls]})
    else:
        console = results()
        console.print(_table(calls))
        for text in _causes(end for _, end in calls):
            console.print(text, soft_wrap=True)
        console.print(_sum(calls))
    return ExitStatus.OK


def _none(chosen: Choice) -> str:
    """Returns that there is no such call; that none failed is good news, and no slip."""
    if not chosen.failed:
        return "There is no such call."
    whose = chosen.round or chosen.participant or chosen.role
    return f"No call{' of those' if whose else ''} failed, and every reply could be used."


async def _check(connection: Connection, name: str, chosen: Choice) -> None:
    """Refuses what the run does not have: a slip would read as "nothing failed"."""
    if not (chosen.round or chosen.participant):
        return
    league = (await get_run(connection, name)).league
    ids = [participant.id for participant in league.participants]
    if chosen.participant and chosen.participant not in ids:
        raise CommandError(
            f"No participant of this run is called {chosen.participant}. There are: "
            f"{', '.join(ids)}"
        )
    rounds = len(ids) * league.rounds_per_participant
    if chosen.round > rounds:
        raise CommandError(f"There is no round {chosen.round}: this run has {rounds} rounds.")


def _document(call: call_pb2.Call, ending: Ending) -> dict[str, Any]:
    return {
        **plain_json(call),
        "reply_used": ending.is_usable,
        "sent_back": ending.is_sent_back,
    }


def _table(calls: Sequence[tuple[call_pb2.Call, Ending]]) -> Table:
    # One blank between columns: eight of them have to go into 80.
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    ids = Ids(call.participant for call, _ in calls)
    table.add_column("Round", justify="right", no_wrap=True)
    table.add_column("Role", no_wrap=True)
    # Only this and the cause may shrink.
    table.add_column("Participant")
    table.add_column("Try", no_wrap=True)
    table.add_column("Outcome", no_wrap=True)
    failed = any(end.cause for _, end in calls)
    if failed:
        table.add_column("Cause", overflow="fold")
    table.add_column("Tokens", justify="right", no_wrap=True)
    priced = any(call.usage.HasField("cost_usd") for call, _ in calls)
    if priced:
        table.add_column("Cost", justify="right", no_wrap=True)
    table.add_column("Time", justify="right", no_wrap=True)
    for call, end in calls:
        cells: list[RenderableType] = [
            Text(str(call.round)),
            Text(enum_words.role(call.role)),
            ids.cell(call.participant),
            Text(_try(call)),
            Text(end.word, style="" if end.is_usable else "red"),
        ]
        cells += [word(end.cause)] if failed else []
        cells += [Text(_tokens(call.usage))]
        cells += [Text(_cost(call.usage))] if priced else []
        cells += [Text(_latency(call))]
        table.add_row(*cells)
    return table


def _try(call: call_pb2.Call) -> str:
    """Returns such as `1`, or `2.3` for the third attempt at the second asking."""
    return f"{call.ask + 1}" + (f".{call.attempt + 1}" if call.attempt else "")


def _tokens(usage: call_pb2.Usage) -> str:
    if not (usage.HasField("prompt_tokens") or usage.HasField("completion_tokens")):
        return "-"
    return f"{usage.prompt_tokens + usage.completion_tokens:,}"


def _cost(usage: call_pb2.Usage) -> str:
    return plain.dollars(usage.cost_usd) if usage.HasField("cost_usd") else "-"


def _latency(call: call_pb2.Call) -> str:
    return f"{call.latency.ToTimedelta().total_seconds():.1f} s"


def _causes(endings: Iterable[Ending]) -> Iterator[Text]:
    """Yields what went wrong, a cause a line with its number and one of its sentences."""
    numbers: dict[str, int] = {}
    sentences: dict[str, str] = {}
    for end in endings:
        if not end.is_usable:
            numbers[end.cause] = numbers.get(end.cause, 0) + 1
            sentences.setdefault(end.cause, end.detail)
    for cause in sorted(numbers, key=lambda c: (-numbers[c], c))[:_SENTENCES]:
        told = f": {sentences[cause]}" if sentences[cause] else ""
        yield word(f"{cause or 'no cause'} {numbers[cause]}{told}", "red", limit=300)


def _sum(calls: Sequence[tuple[call_pb2.Call, Ending]]) -> Text:
    usages = [call.usage for call, _ in calls]
    tokens = sum(u.prompt_tokens + u.completion_tokens for u in usages)
    priced = [u.cost_usd for u in usages if u.HasField("cost_usd")]
    unread = sum(end.word == UNREAD for _, end in calls)
    failed = sum(not end.is_usable for _, end in calls) - unread
    parts = [plain.count(len(calls), "call")]
    parts += [f"{failed:,} failed"] if failed else []
    parts += [f"{unread:,} of unusable reply"] if unread else []
    sent_back = sum(end.is_sent_back for _, end in calls)
    parts += [f"{sent_back:,} sent back to be mended"] if sent_back else []
    parts += [plain.count(tokens, "token")]
    parts += [plain.dollars(sum(priced))] if priced else []
    unpriced = len(calls) - len(priced)
    parts += [f"{unpriced:,} of unknown price"] if unpriced else []
    return Text(", ".join(parts), style="bold")


def _whole(call: call_pb2.Call, end: Ending) -> Iterator[Text]:
    """Yields a call with its prompt and its reply as they were, control characters escaped."""
    role, who = enum_words.role(call.role), call.participant
    head = f"round {call.round}, {role} of {who}, asking {call.ask + 1}, attempt {call.attempt + 1}"
    ending = ", ".join(filter(None, [end.word, end.cause, call.finish_reason]))
    if call.HasField("http_status"):
        ending += f", HTTP {call.http_status}"
    amounts = f"{_tokens(call.usage)} tokens, {_cost(call.usage)}, {_latency(call)}"
    yield Text(f"=== {plain.one_line(head)} ===", style="bold")
    yield word(f"{ending}; {call.response_format or 'no format'}; {amounts}", "dim")
    if end.detail:
        yield word(end.detail, "red")
    for role_said, content in _messages(call.prompt):
        yield Text(f"--- {plain.one_line(role_said)} ---", style="dim")
        yield Text(plain.escaped(content))
    yield Text("--- reply as it came ---", style="dim")
    yield Text(plain.escaped(call.raw_reply))
    yield Text("")


def _messages(prompt: str) -> list[tuple[str, str]]:
    """Returns who says what in a prompt; one that is not as expected stays whole."""
    try:
        return [(str(m["role"]), _content(m["content"])) for m in json.loads(prompt)]
    except (ValueError, TypeError, KeyError):
        return [("prompt", prompt)] if prompt else []


def _content(content: object) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
