"""The workbook's sheets of details: every answer, mark, step and call."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from analysis.cells import Value, print_fitted, table
from analysis.coverage import ROLES, Cell, Coverage, State
from analysis.coverage_words import LEGEND, symbol
from analysis.dataset import Call, Dataset, Judgment, Mark
from analysis.views import failure_views

Titles = Mapping[tuple[str, int], str]
"""By run and round: the title of the round's sheet."""

_ROUND_WIDTH = 6
_TWO, _SHARE, _SECONDS, _MONEY = "0.00", "0.0%", "0.000", "0.000000"


def answers_sheet(sheet: Worksheet, dataset: Dataset, titles: Titles) -> None:
    """Writes every question with its answers."""
    headers = [
        "Sheet",
        "Run",
        "Round",
        "Setter",
        "Kind",
        "Participant",
        "Outcome",
        "Cause",
        "Detail",
        "Text",
        "Final answer, or reference",
        "Marking scheme",
        "Principle",
        "Names its maker",
    ]
    table(sheet, headers, _answer_rows(dataset, titles), frozen=3)


def _answer_rows(dataset: Dataset, titles: Titles) -> Iterator[list[Value]]:
    """Yields one row for each question and each answer."""
    for run, round_ in dataset.rounds():
        head: list[Value] = [titles[run.id, round_.index], run.id, round_.index, round_.setter]
        result, question = round_.result, round_.question
        yield [
            *head,
            "question",
            round_.setter,
            result.outcome or "pending",
            result.cause,
            result.detail,
            *(
                [
                    question.text,
                    question.reference_answer,
                    question.marking_scheme,
                    question.principle,
                ]
                if question
                else [None] * 4
            ),
            None,
        ]
        for answer in round_.answers:
            yield [
                *head,
                "answer",
                answer.answerer,
                answer.result.outcome or "pending",
                answer.result.cause,
                answer.result.detail,
                answer.text,
                answer.final_answer,
                None,
                None,
                "yes" if answer.names_maker else None,
            ]


def judgments_sheet(sheet: Worksheet, dataset: Dataset, titles: Titles) -> None:
    """Writes one row for each mark, and one for each judgment without marks."""
    headers = [
        "Sheet",
        "Run",
        "Round",
        "Setter",
        "Judge",
        "Answerer",
        "Label",
        "Position",
        "Rank",
        "Score",
        "Points",
        "Share",
        "Reason",
        "Outcome",
        "Cause",
        "Detail",
        "Re-asks",
        "Repaired",
        "Evidence outdated",
    ]
    body = (
        row
        for run, round_ in dataset.rounds()
        for judgment in round_.judgments
        for row in _judgment_rows(
            [titles[run.id, round_.index], run.id, round_.index, round_.setter], judgment
        )
    )
    formats = ["", "", "0", "", "", "", "", "0", "0.##", _TWO, _TWO, _SHARE]
    table(sheet, headers, body, formats=formats, frozen=3)


def _judgment_rows(head: Sequence[Value], judgment: Judgment) -> Iterator[list[Value]]:
    """Yields the rows of one judgment."""
    result = judgment.result
    tail: list[Value] = [
        result.outcome or "pending",
        result.cause,
        result.detail,
        result.reasks,
        "yes" if result.repaired else None,
        "yes" if judgment.evidence_outdated else None,
    ]
    for mark in judgment.marks:
        yield [*head, judgment.judge, *_mark_cells(mark), *tail]
    if not judgment.marks:
        yield [*head, judgment.judge, *[None] * 8, *tail]


def _mark_cells(mark: Mark) -> list[Value]:
    """Returns the cells of one mark."""
    return [
        mark.answerer,
        mark.label,
        mark.position or None,
        mark.rank,
        mark.score,
        mark.points,
        mark.share,
        mark.reason,
    ]


def coverage_sheet(sheet: Worksheet, dataset: Dataset, covered: Coverage) -> None:
    """Writes the matrix: a row a participant and role, a column a round, and the sums.

    A cell begins with the symbol of how the step stands; the cause behind it is for filters
    and for a look at the cell, since columns are narrow to show many rounds at once.
    """
    last = max((len(run.rounds) for run in dataset.runs), default=0)
    headers = ["Run", "Participant", "Step", "Planned", "Usable", "Mended", "Re-asked"]
    headers += [
        "After a retry",
        "Missing",
        "Not finished",
        *(str(number) for number in range(1, last + 1)),
    ]
    rows: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in covered.cells:
        if cell.state is not State.NOT_DUE:
            rows.setdefault((cell.run, cell.role, cell.participant), []).append(cell)
    body: list[list[Value]] = []
    for run in dataset.runs:
        for role in ROLES:
            for participant in run.participants:
                cells = rows.get((run.id, role, participant.id), [])
                if cells:
                    by_round = {cell.round: _matrix_text(cell) for cell in cells}
                    states: list[Value] = [by_round.get(n) for n in range(1, last + 1)]
                    body.append([run.id, participant.id, role, *_counts(cells), *states])
    legend = "; ".join(f"{key} {told}" for key, told in LEGEND.items())
    above = [*([covered.warning] if covered.warning else []), legend]
    table(sheet, headers, body, frozen=3, above=above)
    for column in range(len(headers) - last + 1, len(headers) + 1):
        sheet.column_dimensions[get_column_letter(column)].width = _ROUND_WIDTH
    print_fitted(sheet, len(above) + 1, 3)


def _counts(cells: Sequence[Cell]) -> list[Value]:
    """Returns how many cells there are and how they stand, in the order of the header."""
    count = Counter(cell.state for cell in cells)
    missing, pending = count[State.MISSING], count[State.PENDING]
    usable = len(cells) - missing - pending
    came = [count[state] for state in (State.REPAIRED, State.REASKED, State.RETRIED)]
    return [len(cells), usable, *came, missing, pending]


def _matrix_text(cell: Cell) -> str:
    """Returns the text of one cell of the matrix."""
    if cell.outcome == "skipped":
        # A consequence; the sheet of steps has of what.
        return symbol(cell)
    more = cell.reasks if cell.state is State.REASKED else cell.cause
    return f"{symbol(cell)} {more}".strip()


def failures_sheet(sheet: Worksheet, dataset: Dataset, covered: Coverage) -> None:
    """Writes the failures of participants, most frequent first."""
    headers = ["Participant", "Step", "Outcome", "Cause", "Times", "Rounds", "In words"]
    body: list[list[Value]] = [
        [f.participant, f.role, f.outcome, f.cause, f.count, view.rounds, f.example]
        for view in failure_views(dataset, covered)
        for f in (view.failure,)
    ]
    nothing = f"No participant failed a step{' for good' if covered.retried else ''}."
    above = [] if body else [nothing]
    table(sheet, headers, body, above=above)


def steps_sheet(sheet: Worksheet, covered: Coverage, titles: Titles) -> None:
    """Writes how every step stands, a row each."""
    headers = [
        "Sheet",
        "Run",
        "Round",
        "Step",
        "Participant",
        "State",
        "Outcome",
        "Cause",
        "Detail",
        "Re-asks",
    ]
    body: list[list[Value]] = [
        [
            titles[cell.run, cell.round],
            cell.run,
            cell.round,
            cell.role,
            cell.participant,
            cell.state.value,
            cell.outcome,
            cell.cause,
            cell.detail,
            cell.reasks,
        ]
        for cell in covered.cells
        if cell.state is not State.NOT_DUE
    ]
    table(sheet, headers, body, frozen=3)


def calls_sheet(sheet: Worksheet, dataset: Dataset, titles: Titles) -> None:
    """Writes every call; raw replies stay in the store, being long and seldom read here."""
    columns = {
        "Role": "role",
        "Participant": "participant",
        "Ask": "ask",
        "Attempt": "attempt",
        "Outcome": "outcome",
        "Cause": "cause",
        "Detail": "detail",
        "HTTP status": "http_status",
        "Finish reason": "finish_reason",
        "Prompt tokens": "prompt_tokens",
        "Cached tokens": "cached_tokens",
        "Completion tokens": "completion_tokens",
        "Reasoning tokens": "reasoning_tokens",
        "Cost, USD": "cost_usd",
        "Latency, s": "latency_s",
        "First token, s": "first_token_s",
        "Started, UTC": "started_at",
        "Served model": "served_model",
        "Response format": "response_format",
        "Request SHA-256": "request_sha256",
    }
    body = (
        [
            titles.get((run.id, call.round), ""),
            run.id,
            call.round,
            *(_call_value(call, name) for name in columns.values()),
        ]
        for run in dataset.runs
        for call in run.calls
    )
    formats = [*[""] * 12, *["#,##0"] * 4, _MONEY, _SECONDS, _SECONDS]
    table(sheet, ["Sheet", "Run", "Round", *columns], body, formats=formats, frozen=3)


def _call_value(call: Call, name: str) -> Value:
    """Returns a cell of a call; asks and attempts count from 1, as wherever calls are listed."""
    value: Value = getattr(call, name)
    return value + 1 if name in ("ask", "attempt") and isinstance(value, int) else value
