"""What arrived of a run and why the rest did not: `runs.py coverage`, and a part of `show`."""

from collections.abc import Iterable, Iterator, Sequence

from llm_crowdsourced.v1 import result_service_pb2 as pb
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from analysis.coverage import ROLES, Cell, State
from analysis.coverage_words import ASCII, LEGEND, index_ranges, symbol
from analysis.percent import percent_of
from client import enum_words, plain
from client.command_line import plain_json, print_json
from client.connection import Connection
from client.exit_status import ExitStatus
from client.screen import results, word, words

_PIPED_WIDTH = 80
_NAME = 24
_PAGE = 1000
_LONGEST = 60
_STATES = {
    pb.COVERAGE_STATE_ARRIVED: State.ARRIVED,
    pb.COVERAGE_STATE_REPAIRED: State.REPAIRED,
    pb.COVERAGE_STATE_REASKED: State.REASKED,
    pb.COVERAGE_STATE_RETRIED: State.RETRIED,
    pb.COVERAGE_STATE_MISSING: State.MISSING,
    pb.COVERAGE_STATE_PENDING: State.PENDING,
}
_STYLES = {
    State.MISSING: "red",
    State.REPAIRED: "yellow",
    State.REASKED: "yellow",
    State.RETRIED: "yellow",
}
_WHO = {"question": "Setter", "answer": "Answerer", "judgment": "Judge"}


async def fetch_coverage(connection: Connection, name: str) -> pb.GetCoverageResponse:
    """Returns the coverage of a run with the cells of all its rounds.

    Raises:
        CommandError: The run is not known, or the server does not answer.
    """
    request = pb.GetCoverageRequest(name=name, page_size=_PAGE)
    answer = await connection.ask(connection.results.GetCoverage, request)
    cells = list(answer.cells)
    while answer.next_page_token:
        request.page_token = answer.next_page_token
        answer = await connection.ask(connection.results.GetCoverage, request)
        cells += answer.cells
    # The totals of the last page are the newest; a run may be playing.
    del answer.cells[:]
    answer.cells.extend(cells)
    return answer


async def show_coverage(connection: Connection, name: str, *, as_json: bool) -> int:
    """Shows what arrived of a run, step by step.

    Raises:
        CommandError: The run is not known, or the server does not answer.
    """
    answer = await fetch_coverage(connection, name)
    if as_json:
        print_json({"coverage_warning": answer.warning, "coverage": plain_json(answer)})
        return ExitStatus.OK
    console = results()
    # Without a mark there are no standings to read with care.
    if answer.warning and answer.marks:
        console.print(words(answer.warning, "yellow"), width=_width(console))
    for part in (*matrix(answer, console), *summary(answer, console)):
        console.print(part, width=_width(console))
    return ExitStatus.OK


async def fetch_totals(connection: Connection, name: str) -> pb.GetCoverageResponse:
    """Returns the totals and failures of a run, which every page has, without cells.

    Raises:
        CommandError: The run is not known, or the server does not answer.
    """
    request = pb.GetCoverageRequest(name=name, page_size=1)
    answer = await connection.ask(connection.results.GetCoverage, request)
    del answer.cells[:]
    answer.next_page_token = ""
    return answer


def _width(console: Console) -> int:
    """Returns the columns to fill; in a file there is no screen to be as wide as."""
    return console.width if console.is_terminal else _PIPED_WIDTH


def matrix(answer: pb.GetCoverageResponse, console: Console) -> Iterator[RenderableType]:
    """Yields the matrices: a row a participant, a column a round, in blocks that fit."""
    signs = _signs(console)
    names = list(dict.fromkeys(total.participant for total in answer.totals))
    by_key = {(c.role, c.participant, c.round): c for c in map(_cell, answer.cells)}
    rounds = sorted({cell.round for cell in answer.cells})
    name_width = min(_NAME, max([len("Answerer"), *(cell_len(plain.clean(n)) for n in names)]))
    column = max(2, len(str(rounds[-1])) + 1) if rounds else 2
    per_block = max(1, (_width(console) - name_width) // column)
    due = {(role, name) for role, name, _ in by_key}
    for role in ROLES:
        for start in range(0, len(rounds), per_block):
            block = rounds[start : start + per_block]
            yield Text(f"{role.capitalize()}s, rounds {block[0]}-{block[-1]}", style="bold")
            heading = _name(_WHO[role], name_width)
            yield heading.append("".join(f"{index:>{column}}" for index in block))
            for name in names:
                if (role, name) in due:
                    line = _name(name, name_width)
                    for index in block:
                        _append(line, by_key.get((role, name, index)), column, signs)
                    yield line
        yield Text("")
    used = {symbol(cell) for cell in by_key.values()}
    yield Text("; ".join(f"{signs(s)} {told}" for s, told in LEGEND.items() if s in used))
    yield Text("")


def _append(line: Text, cell: Cell | None, column: int, signs: "_Signs") -> None:
    sign = signs(symbol(cell)) if cell else ""
    line.append(f"{sign:>{column}}", style=_STYLES.get(cell.state, "") if cell else "")


def _name(name: str, width: int) -> Text:
    text = word(name)
    text.truncate(width, overflow="ellipsis", pad=True)
    return text


class _Signs:
    """Symbols as a terminal can show them."""

    def __init__(self, *, ascii_only: bool) -> None:
        self._ascii_only = ascii_only

    def __call__(self, sign: str) -> str:
        return ASCII.get(sign, sign) if self._ascii_only else sign


def _signs(console: Console) -> _Signs:
    return _Signs(ascii_only=console.options.ascii_only)


def _cell(message: pb.CoverageCell) -> Cell:
    return Cell(
        run="",
        round=message.round,
        role=enum_words.role(message.role),
        participant=message.participant,
        # A state that a later server may know is at least not usable yet.
        state=_STATES.get(message.state, State.PENDING),
        outcome=enum_words.outcome(message.outcome),
        cause=message.cause,
        detail=message.detail,
        reasks=message.reasks,
        retries=message.retries,
    )


def summary(answer: pb.GetCoverageResponse, console: Console) -> Iterator[RenderableType]:
    """Yields the totals by participant and role, and the failures by cause."""
    planned = answer.planned_marks
    share = f" ({percent_of(answer.marks, planned)})" if planned else ""
    yield Text(f"{answer.marks:,} of {plain.count(planned, 'planned mark')} arrived{share}.")
    yield _totals(answer.totals, _signs(console))
    used = _used(answer.totals)
    if used:
        signs = _signs(console)
        yield Text("; ".join(f"{signs(s)} {LEGEND[s]}" for s in used), style="dim")
    yield from _failures(answer)


def _totals(totals: Iterable[pb.CoverageTotal], signs: _Signs) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("Usable steps", overflow="ellipsis", no_wrap=True, max_width=_NAME)
    for role in ROLES:
        table.add_column(f"{role.capitalize()}s", no_wrap=True)
    by_name: dict[str, dict[str, pb.CoverageTotal]] = {}
    for total in totals:
        by_name.setdefault(total.participant, {})[enum_words.role(total.role)] = total
    for name, roles in by_name.items():
        table.add_row(word(name), *(_total(roles.get(role), signs) for role in ROLES))
    return table


def _total(total: pb.CoverageTotal | None, signs: _Signs) -> Text:
    if total is None:
        return Text("-")
    usable = total.arrived + total.repaired + total.reasked + total.retried
    text = Text(f"{usable} of {total.planned}", style="red" if total.missing else "")
    for sign, number in _extras(total):
        text.append(f" {signs(sign)}{number}", style="default")
    return text


def _extras(total: pb.CoverageTotal) -> list[tuple[str, int]]:
    found = [
        ("✎", total.repaired),
        ("↻", total.reasked),
        ("⟳", total.retried),
        ("…", total.pending),
    ]
    return [(sign, number) for sign, number in found if number]


def _used(totals: Iterable[pb.CoverageTotal]) -> list[str]:
    used = {sign for total in totals for sign, _ in _extras(total)}
    return [sign for sign in LEGEND if sign in used]


def _failures(answer: pb.GetCoverageResponse) -> Iterator[RenderableType]:
    by_cause: dict[str, list[pb.CoverageFailure]] = {}
    for failure in answer.failures:
        cause = failure.cause or enum_words.outcome(failure.outcome)
        by_cause.setdefault(cause, []).append(failure)
    ordered = sorted(by_cause.items(), key=lambda item: -sum(f.count for f in item[1]))
    if ordered:
        yield Text("Failures by cause", style="bold")
    for cause, failures in ordered:
        number = plain.count(sum(f.count for f in failures), "step")
        example = next((f.example for f in failures if f.example), "")
        told = f": {plain.one_line(example)}" if example else ""
        yield word(f"{cause}, {number}{told}", "red")
        for failure in failures:
            yield _hanging(word(_where(failure)))
    retried = sum(total.retried for total in answer.totals)
    if retried:
        steps = plain.count(retried, "step")
        yield Text(f"Usable only after a retry, as they had failed before: {steps}.")
    failed = sum(failure.count for failure in answer.failures)
    skipped = sum(total.missing for total in answer.totals) - failed
    if skipped > 0:
        needed = "what it needed" if skipped == 1 else "what they needed"
        yield Text(f"Skipped, as {needed} did not arrive: {plain.count(skipped, 'step')}.")


def _hanging(text: Text) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text("  "), text)
    return grid


def _where(failure: pb.CoverageFailure) -> str:
    """Returns such as `ada: judgment in rounds 1-3, 7`."""
    rounds: Sequence[int] = failure.rounds
    listed = plain.one_line(index_ranges(tuple(rounds)), _LONGEST)
    noun = "round" if len(rounds) == 1 else "rounds"
    where = f" in {noun} {listed}" if rounds else f", {failure.count} times"
    return f"{failure.participant}: {enum_words.role(failure.role)}{where}"
