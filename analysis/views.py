"""What the page shows, shaped for its template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.coverage import Cell, Coverage, State
from analysis.dataset import Answer, Dataset, Judgment, Round, Run
from analysis.marks import received
from analysis.scores import RoundScore

DASH = "\u2013"
"""Stands where there is no value."""
SYMBOLS = {
    State.ARRIVED: "✓",
    State.REPAIRED: "✎",
    State.REASKED: "↻",
    State.MISSING: "✕",
    State.PENDING: "…",
    State.NOT_DUE: "",
}
WORDS = {
    State.ARRIVED: "arrived",
    State.REPAIRED: "arrived, broken JSON mended",
    State.REASKED: "arrived after asking again",
    State.MISSING: "missing",
    State.PENDING: "not finished",
    State.NOT_DUE: "not due",
}


@dataclass(frozen=True, kw_only=True)
class Grid:
    """States of one role: a row a participant, a column a round."""

    run: str
    role: str
    rounds: tuple[int, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class AnswerView:
    """An answer with its score and what each judge gave it; `None` where nothing came."""

    answer: Answer
    score: RoundScore | None
    marks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RoundView:
    """A round as the page shows it."""

    number: int
    run: Run
    round: Round
    judges: tuple[str, ...]
    answers: tuple[AnswerView, ...]
    judgments: tuple[Judgment, ...]
    summary: str


def grids(dataset: Dataset, covered: Coverage) -> tuple[Grid, ...]:
    """Returns the coverage matrices of every run: judgments, then answers, then questions."""
    by_key: dict[tuple[str, str, str, int], Cell] = {
        (cell.run, cell.role, cell.participant, cell.round): cell for cell in covered.cells
    }
    found = []
    for run in dataset.runs:
        rounds = tuple(round_.index for round_ in run.rounds)
        for role in ("judgment", "answer"):
            rows = tuple(
                (p.id, tuple(by_key[run.id, role, p.id, index] for index in rounds))
                for p in run.participants
            )
            found.append(Grid(run=run.id, role=role, rounds=rounds, rows=rows))
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
    answers = []
    for answer in round_.answers:
        marks = []
        for judge in run.judges:
            item = given.get((judge, answer.answerer))
            if item is None:
                marks.append("own" if judge == answer.answerer else DASH)
            else:
                shown = item.value if item.mark.rank is None else item.mark.rank
                marks.append(f"{shown:g}")
        score = scores.get((run.id, round_.index, answer.answerer))
        answers.append(AnswerView(answer=answer, score=score, marks=tuple(marks)))
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
    )


def _value(view: AnswerView) -> float | None:
    """Returns the score of an answer."""
    return view.score.value if view.score else None


def _summary(round_: Round, answers: Sequence[AnswerView]) -> str:
    """Says in a few words how a round went."""
    if round_.question is None:
        if not round_.result.outcome:
            return "not begun"
        return f"void: {round_.result.cause or round_.result.outcome}"
    best = [view for view in answers if _value(view) is not None]
    if not best:
        return "no marks"
    return f"best: {best[0].answer.answerer}, {_value(best[0]):.2f}"
