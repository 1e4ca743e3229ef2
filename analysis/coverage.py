"""What arrived of what was planned, and why the rest did not."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from analysis.dataset import Dataset, Judgment, Round, Run, StepResult
from analysis.percent import percent_of
from analysis.scores import round_scores

ENOUGH = 0.9
"""Below this share of the planned marks, every output warns."""

ROLES = ("question", "answer", "judgment")
"""What a step can ask for, in the order of a round."""


class State(StrEnum):
    """How a step of a participant in a round stands."""

    ARRIVED = "arrived"
    """The first reply was usable."""
    REPAIRED = "repaired"
    """The reply was broken JSON and was mended."""
    REASKED = "re-asked"
    """A later reply, asked for with the reason, was usable; of a question, one that its setter
    was asked to mend is one too."""
    RETRIED = "after a retry"
    """The step had failed, and was usable when it was asked once more by a retry of the run."""
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
        cause: One word when it is missing; of a retried one, why it had failed before.
        detail: One sentence when it is missing, or had failed before; when it was asked for
            again, why the last reply before could not be used.
        reasks: Times the model was asked again; of a question, to mend it too.
        retries: Times it had failed and was asked once more by a retry of the run.
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
    retries: int = 0


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Steps that one participant failed for one cause.

    Attributes:
        participant: Whose steps they are.
        role: `question`, `answer` or `judgment`.
        outcome: How they ended.
        cause: One word.
        count: How many.
        rounds: Where: run and number of the round, in order.
        example: The sentence of the first of them.
    """

    participant: str
    role: str
    outcome: str
    cause: str
    count: int
    rounds: tuple[tuple[str, int], ...] = ()
    example: str = ""


@dataclass(frozen=True, kw_only=True)
class Total:
    """What arrived of one participant in one role, in steps.

    `planned` is the sum of the other counts; `reasked` ones may have been mended too.
    """

    participant: str
    role: str
    planned: int
    arrived: int
    repaired: int
    reasked: int
    retried: int
    missing: int
    pending: int

    @property
    def usable(self) -> int:
        """Steps of which something usable came, at whatever attempt."""
        return self.arrived + self.repaired + self.reasked + self.retried


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What arrived of what was planned.

    Attributes:
        marks: Marks received.
        planned: Marks that the schedule has, those of missing answers included.
        cells: Every step of every round, by round, role and league order.
        totals: By participant and role, roles without a planned step left out.
        failures: Failures of participants, most frequent first. A step that was skipped
            because another had failed is not its participant's failure.
        causes: The same, by cause alone.
        skipped: Steps that were skipped because another had failed.
        finished: Whether no step is pending.
    """

    marks: int
    planned: int
    cells: tuple[Cell, ...]
    totals: tuple[Total, ...]
    failures: tuple[Failure, ...]
    causes: Mapping[str, int]
    skipped: int
    finished: bool

    @property
    def fraction(self) -> float | None:
        """Marks received of those planned, 0..1; `None` when none was planned."""
        return self.marks / self.planned if self.planned else None

    @property
    def retried(self) -> int:
        """Steps that had failed, and were usable after a retry."""
        return sum(total.retried for total in self.totals)

    @property
    def missing(self) -> int:
        """Marks that are planned and have not arrived."""
        return self.planned - self.marks

    @property
    def percent(self) -> str:
        """Marks received of those planned, such as `99.6 %`; never rounded up."""
        return percent_of(self.marks, self.planned) if self.planned else "none planned"

    @property
    def shortfall(self) -> str:
        """How much arrived, when it is too little: a part of a sentence; else empty."""
        if self.fraction is None or self.fraction >= ENOUGH:
            return ""
        so_far = "" if self.finished else " so far"
        return f"only {self.marks:,} of {self.planned:,} planned marks ({self.percent}) arrived{so_far}"

    @property
    def warning(self) -> str:
        """One sentence when too little arrived; else empty."""
        if self.fraction is None:
            return "No marks are planned, so there is nothing to rank."
        if not self.shortfall:
            return ""
        return (
            f"{self.shortfall[0].upper()}{self.shortfall[1:]}; what is missing is left out of "
            "every mean, so read the standings with care."
        )


def coverage(dataset: Dataset) -> Coverage:
    """Measures what arrived of what was planned."""
    rows = round_scores(dataset)
    cells = tuple(cell for run, round_ in dataset.rounds() for cell in _cells(run, round_))
    missing = [c for c in cells if c.state is State.MISSING]
    failed = [c for c in missing if c.outcome not in ("", "skipped")]
    return Coverage(
        marks=sum(row.marks for row in rows),
        planned=sum(row.expected for row in rows),
        cells=cells,
        totals=_totals(dataset.participants, cells),
        failures=_failures(failed),
        causes=dict(Counter(c.cause or c.outcome for c in failed).most_common()),
        skipped=len(missing) - len(failed),
        finished=all(cell.state is not State.PENDING for cell in cells),
    )


def _totals(participants: Iterable[str], cells: Iterable[Cell]) -> tuple[Total, ...]:
    """Counts the cells by participant and role, in league order."""
    counts: dict[tuple[str, str], Counter[State]] = {}
    for cell in cells:
        if cell.state is not State.NOT_DUE:
            counts.setdefault((cell.participant, cell.role), Counter())[cell.state] += 1
    return tuple(
        Total(
            participant=who,
            role=role,
            planned=found.total(),
            arrived=found[State.ARRIVED],
            repaired=found[State.REPAIRED],
            reasked=found[State.REASKED],
            retried=found[State.RETRIED],
            missing=found[State.MISSING],
            pending=found[State.PENDING],
        )
        for who in participants
        for role in ROLES
        if (found := counts.get((who, role))) is not None
    )


def _failures(failed: Iterable[Cell]) -> tuple[Failure, ...]:
    """Groups failures by participant, role and cause, most frequent first."""
    groups: dict[tuple[str, str, str, str], list[Cell]] = {}
    for cell in failed:
        key = (cell.participant, cell.role, cell.outcome, cell.cause)
        groups.setdefault(key, []).append(cell)
    found = [
        Failure(
            participant=who,
            role=role,
            outcome=outcome,
            cause=cause,
            count=len(cells),
            rounds=tuple((cell.run, cell.round) for cell in cells),
            example=next((cell.detail for cell in cells if cell.detail), ""),
        )
        for (who, role, outcome, cause), cells in groups.items()
    ]
    return tuple(sorted(found, key=lambda failure: -failure.count))


def _cells(run: Run, round_: Round) -> Iterator[Cell]:
    """Yields the steps of one round."""
    yield _cell(run, round_, "question", round_.setter, _question_result(round_))
    answers = {answer.answerer: answer.result for answer in round_.answers}
    judgments = {judgment.judge: judgment for judgment in round_.judgments}
    for participant in run.participants:
        if participant.id == round_.setter:
            yield _not_due(run, round_, "answer", participant.id)
        else:
            result = answers.get(participant.id, StepResult())
            yield _cell(run, round_, "answer", participant.id, result)
    for participant in run.participants:
        if participant.id not in run.judges:
            yield _not_due(run, round_, "judgment", participant.id)
            continue
        judgment = judgments.get(participant.id)
        result = _judgment_result(judgment) if judgment else StepResult()
        yield _cell(run, round_, "judgment", participant.id, result)


def _question_result(round_: Round) -> StepResult:
    """Returns how the question ended; one that is there has arrived.

    To have it mended is to ask for it again.
    """
    result, question = round_.result, round_.question
    if question is None:
        return result
    if not result.outcome:
        return StepResult(outcome="ok")
    check = question.check
    if check is None or not check.repairs or result.outcome != "ok":
        return result
    why = check.detail or "its setter was asked to mend it"
    return replace(
        result,
        reasks=result.reasks + check.repairs,
        detail="; ".join(filter(None, [result.detail, why])),
    )


def _judgment_result(judgment: Judgment) -> StepResult:
    """Returns how a judgment ended; one without marks has not arrived, whatever it says."""
    if judgment.result.outcome == "ok" and not judgment.marks:
        return StepResult(outcome="skipped", cause="no_marks", detail="It holds no mark.")
    return judgment.result


def _absent(run: Run, round_: Round) -> StepResult:
    """Returns the result of a step that has none: it is to come, or will never come."""
    if round_.result.outcome not in ("", "ok"):
        return StepResult(outcome="skipped", cause="void_round", detail="There is no question.")
    if run.state in ("succeeded", "failed", "cancelled"):
        detail = f"The run ended as {run.state} before this step."
        return StepResult(outcome="skipped", cause="not_taken", detail=detail)
    return StepResult()


def _cell(run: Run, round_: Round, role: str, who: str, result: StepResult) -> Cell:
    """Returns the cell of a step that is due."""
    if not result.outcome:
        result = _absent(run, round_)
    ok = result.outcome == "ok"
    if not result.outcome:
        state = State.PENDING
    elif not ok:
        state = State.MISSING
    elif result.retries:
        state = State.RETRIED
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
        cause=result.earlier_cause if state is State.RETRIED else "" if ok else result.cause,
        detail=result.earlier_detail if state is State.RETRIED else result.detail,
        reasks=result.reasks,
        retries=result.retries,
    )


def _not_due(run: Run, round_: Round, role: str, who: str) -> Cell:
    """Returns the cell of a step that the schedule does not have."""
    return Cell(run=run.id, round=round_.index, role=role, participant=who, state=State.NOT_DUE)
