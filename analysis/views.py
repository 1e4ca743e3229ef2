"""What the page shows, shaped for its template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.coverage import ROLES, Cell, Coverage, Failure, State
from analysis.coverage_words import index_ranges, symbol, words
from analysis.dataset import Answer, Dataset, Judgment, Round, Run
from analysis.marks import received
from analysis.scores import RoundScore
from analysis.verdict_words import (
    check_words,
    comparison_words,
    failures,
    outcome_words,
    verdict_line,
)

DASH = "\u2013"
"""Stands where there is no value."""


@dataclass(frozen=True, kw_only=True)
class CellView:
    """How one step stands: a symbol, the same in words, and the class of its look."""

    symbol: str
    words: str
    title: str
    look: str


@dataclass(frozen=True, kw_only=True)
class Grid:
    """States of one role: a row a participant, a column a round."""

    run: str
    role: str
    who: str
    rounds: tuple[int, ...]
    rows: tuple[tuple[str, tuple[CellView, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class FailureView:
    """A failure with the rounds in which it happened, in words."""

    failure: Failure
    rounds: str


@dataclass(frozen=True, kw_only=True)
class AnswerView:
    """An answer with its score and what each judge gave it; `None` where nothing came.

    In programming `outcome` says what its program did, `verdicts` has a character a case,
    and `failure` is why the first failed; all are empty where it was not run.
    """

    answer: Answer
    score: RoundScore | None
    marks: tuple[str, ...]
    outcome: str = ""
    verdicts: str = ""
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class RoundView:
    """A round as the page shows it; `check` and `comparison` are empty in mathematics."""

    number: int
    run: Run
    round: Round
    judges: tuple[str, ...]
    answers: tuple[AnswerView, ...]
    judgments: tuple[Judgment, ...]
    summary: str
    check: str = ""
    comparison: str = ""


def grids(dataset: Dataset, covered: Coverage) -> tuple[Grid, ...]:
    """Returns the coverage matrices of every run: questions, then answers, then judgments."""
    by_key: dict[tuple[str, str, str, int], Cell] = {
        (cell.run, cell.role, cell.participant, cell.round): cell for cell in covered.cells
    }
    found = []
    for run in dataset.runs:
        rounds = tuple(round_.index for round_ in run.rounds)
        for role in ROLES:
            rows = tuple(
                (p.id, tuple(_cell_view(by_key.get((run.id, role, p.id, i)), i) for i in rounds))
                for p in run.participants
                if role != "judgment" or p.id in run.judges
            )
            found.append(Grid(run=run.id, role=role, who=_WHO[role], rounds=rounds, rows=rows))
    return tuple(found)


_WHO = {"question": "Setter", "answer": "Answerer", "judgment": "Judge"}


def _cell_view(cell: Cell | None, index: int) -> CellView:
    """Shapes one cell; a setter has one only in its own rounds."""
    if cell is None or cell.state is State.NOT_DUE:
        return CellView(symbol="", words="not due", title="", look="notdue")
    told = words(cell)
    # Most cells have arrived: a title for each would be half of a large page.
    is_plain = cell.state is State.ARRIVED
    title = "" if is_plain else f"Round {index}: {told}" + (f". {cell.detail}" * bool(cell.detail))
    look = "skipped" if cell.outcome == "skipped" else cell.state.name.lower()
    return CellView(symbol=symbol(cell), words=told, title=title, look=look)


def failure_views(dataset: Dataset, covered: Coverage) -> tuple[FailureView, ...]:
    """Returns the failures with their rounds, which name the run where there are several."""
    several = len(dataset.runs) > 1
    found = []
    for failure in covered.failures:
        by_run: dict[str, list[int]] = {}
        for run, index in failure.rounds:
            by_run.setdefault(run, []).append(index)
        told = [
            (f"{run}: " if several else "") + index_ranges(tuple(numbers))
            for run, numbers in by_run.items()
        ]
        found.append(FailureView(failure=failure, rounds="; ".join(told)))
    return tuple(found)


def round_views(dataset: Dataset, rows: Sequence[RoundScore]) -> tuple[RoundView, ...]:
    """Returns every round with its scores, the best answer first."""
    scores = {(row.run, row.round, row.answerer): row for row in rows}
    return tuple(
        _round_view(number, run, round_, scores)
        for number, (run, round_) in enumerate(dataset.rounds(), 1)
    )


def _round_view(
    number: int, run: Run, round_: Round, scores: Mapping[tuple[str, int, str], RoundScore]
) -> RoundView:
    """Shapes one round."""
    given = {(item.judge, item.mark.answerer): item for item in received(run, round_)}
    check = round_.question.check if round_.question is not None else None
    answers = []
    for answer in round_.answers:
        marks = []
        for judge in run.judges:
            item = given.get((judge, answer.answerer))
            if item is None:
                marks.append("own" if judge == answer.answerer else DASH)
            else:
                shown = item.value if item.mark.rank is None else item.mark.rank
                marks.append(mark_words(shown))
        score = scores.get((run.id, round_.index, answer.answerer))
        execution = answer.execution
        answers.append(
            AnswerView(
                answer=answer,
                score=score,
                marks=tuple(marks),
                outcome=outcome_words(execution, check) if execution is not None else "",
                verdicts=verdict_line(execution, check) if execution is not None else "",
                failure=next(iter(failures(execution)), "") if execution is not None else "",
            )
        )
    # A stable sort: answers without a score stay in league order at the end.
    answers.sort(key=lambda view: -(_value(view) or 0.0) if _value(view) is not None else 1.0)
    return RoundView(
        number=number,
        run=run,
        round=round_,
        judges=run.judges,
        answers=tuple(answers),
        judgments=round_.judgments,
        summary=_summary(round_, answers),
        check=(
            check_words(round_.question, is_void=round_.is_void)
            if round_.question is not None
            else ""
        ),
        comparison=comparison_words(check),
    )


def mark_words(value: float) -> str:
    """Returns a rank or a score as judges give it: `1`, and `1.5` for a tie."""
    return f"{value:g}"


def _value(view: AnswerView) -> float | None:
    """Returns the score of an answer."""
    return view.score.value if view.score else None


def _summary(round_: Round, answers: Sequence[AnswerView]) -> str:
    """Says in a few words how a round went."""
    if round_.is_void:
        return f"void: {round_.result.cause or round_.result.outcome}"
    if round_.question is None:
        return "not begun"
    best = [view for view in answers if _value(view) is not None]
    if not best:
        return "no marks"
    return f"best: {best[0].answer.answerer}, {_value(best[0]):.2f}"
