"""What arrived of what was planned, and why the rest did not."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from analysis.dataset import Dataset, Judgment, Round, Run, StepResult
from analysis.scores import round_scores

ENOUGH = 0.9
"""Below this share of the planned marks, a report warns."""


class State(StrEnum):
    """How a step of a participant in a round stands."""

    ARRIVED = "arrived"
    """The first reply was usable."""
    REPAIRED = "repaired"
    """The reply was broken JSON and was mended."""
    REASKED = "re-asked"
    """A later reply, asked for with the reason, was usable."""
    MISSING = "missing"
    """Nothing usable came; the cell has the cause."""
    PENDING = "pending"
    """The step is not finished."""
    NOT_DUE = "not due"
    """The participant has no such step in this round."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One participant's step in one round.

    Attributes:
        run: Id of the run.
        round: Number of the round in its run.
        role: `question`, `answer` or `judgment`.
        participant: Whose step it is.
        state: How it stands.
        outcome: Outcome of the step; empty while there is none.
        cause: One word when it is missing.
        detail: One sentence when it is missing.
        reasks: Times the model was asked again.
    """

    run: str
    round: int
    role: str
    participant: str
    state: State
    outcome: str = ""
    cause: str = ""
    detail: str = ""
    reasks: int = 0


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Steps that one participant failed for one cause."""

    participant: str
    role: str
    outcome: str
    cause: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What arrived of what was planned.

    Attributes:
        marks: Marks received.
        planned: Marks that the schedule has, those of missing answers included.
        cells: Every step of every round, by round, role and league order.
        failures: Failures of participants, most frequent first. A step that was skipped
            because another had failed is not its participant's failure.
        causes: The same, by cause alone.
        finished: Whether no step is pending.
    """

    marks: int
    planned: int
    cells: tuple[Cell, ...]
    failures: tuple[Failure, ...]
    causes: Mapping[str, int]
    finished: bool

    @property
    def fraction(self) -> float | None:
        """Marks received of those planned, 0..1; `None` when none was planned."""
        return self.marks / self.planned if self.planned else None

    @property
    def warning(self) -> str:
        """One sentence when too little arrived; else empty."""
        if self.fraction is None:
            return "No marks are planned, so there is nothing to rank."
        if self.fraction >= ENOUGH:
            return ""
        so_far = "" if self.finished else " so far"
        return (
            f"Only {self.marks:,} of {self.planned:,} planned marks ({self.fraction:.0%}) "
            f"arrived{so_far}; what is missing is left out of every mean, so read the "
            "standings with care."
        ).replace("%)", " %)")


def coverage(dataset: Dataset) -> Coverage:
    """Measures what arrived of what was planned."""
    rows = round_scores(dataset)
    cells = tuple(cell for run, round_ in dataset.rounds() for cell in _cells(run, round_))
    failed = [c for c in cells if c.state is State.MISSING and c.outcome not in ("", "skipped")]
    counts = Counter((c.participant, c.role, c.outcome, c.cause) for c in failed)
    return Coverage(
        marks=sum(row.marks for row in rows),
        planned=sum(row.expected for row in rows),
        cells=cells,
        failures=tuple(
            Failure(participant=who, role=role, outcome=outcome, cause=cause, count=count)
            for (who, role, outcome, cause), count in counts.most_common()
        ),
        causes=dict(Counter(c.cause or c.outcome for c in failed).most_common()),
        finished=all(cell.state is not State.PENDING for cell in cells),
    )


def _cells(run: Run, round_: Round) -> Iterator[Cell]:
    """Yields the steps of one round."""
    yield _cell(run, round_, "question", round_.setter, _question_result(round_))
    answers = {answer.answerer: answer.result for answer in round_.answers}
    judgments = {judgment.judge: judgment for judgment in round_.judgments}
    for participant in run.participants:
        if participant.id == round_.setter:
            yield _not_due(run, round_, "answer", participant.id)
        else:
            result = answers.get(participant.id) or _absent(run, round_)
            yield _cell(run, round_, "answer", participant.id, result)
    for participant in run.participants:
        if participant.id not in run.judges:
            yield _not_due(run, round_, "judgment", participant.id)
            continue
        judgment = judgments.get(participant.id)
        result = _judgment_result(judgment) if judgment else _absent(run, round_)
        yield _cell(run, round_, "judgment", participant.id, result)


def _question_result(round_: Round) -> StepResult:
    """Returns how the question ended; one that is there has arrived."""
    if round_.question is not None and not round_.result.outcome:
        return StepResult(outcome="ok")
    return round_.result


def _judgment_result(judgment: Judgment) -> StepResult:
    """Returns how a judgment ended; one without marks has not arrived, whatever it says."""
    if judgment.result.outcome == "ok" and not judgment.marks:
        return StepResult(outcome="skipped", cause="no_marks", detail="It holds no mark.")
    return judgment.result


def _absent(run: Run, round_: Round) -> StepResult:
    """Returns the result of a step of which there is no record."""
    if round_.result.outcome not in ("", "ok"):
        return StepResult(outcome="skipped", cause="void_round", detail="There is no question.")
    if run.state in ("succeeded", "failed", "cancelled"):
        detail = f"The run {run.state} without this step."
        return StepResult(outcome="skipped", cause="not_taken", detail=detail)
    return StepResult()


def _cell(run: Run, round_: Round, role: str, who: str, result: StepResult) -> Cell:
    """Returns the cell of a step that is due."""
    ok = result.outcome == "ok"
    if not result.outcome:
        state = State.PENDING
    elif not ok:
        state = State.MISSING
    elif result.reasks:
        state = State.REASKED
    else:
        state = State.REPAIRED if result.repaired else State.ARRIVED
    return Cell(
        run=run.id,
        round=round_.index,
        role=role,
        participant=who,
        state=state,
        outcome=result.outcome,
        cause="" if ok else result.cause,
        detail="" if ok else result.detail,
        reasks=result.reasks,
    )


def _not_due(run: Run, round_: Round, role: str, who: str) -> Cell:
    """Returns the cell of a step that the schedule does not have."""
    return Cell(run=run.id, round=round_.index, role=role, participant=who, state=State.NOT_DUE)
