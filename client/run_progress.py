"""Where a run stands, folded from its events: what every view of it shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from llm_crowdsourced.v1 import event_pb2, round_pb2, run_pb2

from client import enum_words

_TERMINAL = {
    run_pb2.Run.STATE_SUCCEEDED,
    run_pb2.Run.STATE_FAILED,
    run_pb2.Run.STATE_CANCELLED,
}
# Fewer steps than this say nothing about the speed of the rest.
_MIN_STEPS_FOR_ESTIMATE = 4


def is_terminal(state: int) -> bool:
    """Says whether nothing more will happen in that state."""
    return state in _TERMINAL


@dataclass(kw_only=True)
class RoundProgress:
    """One round: its question, and the answers and judgments that have ended.

    Attributes:
        index: From 1.
        setter: Empty while not known.
        question: Outcome of the question; empty while it has not ended.
        cause: Why the question did not come, in one word.
        answers: Outcomes of the answers that ended, in the order they came.
        judgments: The same of the judgments.
        answers_planned: Answers in all.
        judgments_planned: Judgments in all.
    """

    index: int
    setter: str = ""
    question: str = ""
    cause: str = ""
    answers: list[str] = field(default_factory=list)
    judgments: list[str] = field(default_factory=list)
    answers_planned: int
    judgments_planned: int

    @property
    def is_done(self) -> bool:
        """Whether every judgment has ended, which nothing follows."""
        return len(self.judgments) >= self.judgments_planned

    @property
    def is_begun(self) -> bool:
        """Whether a step has ended."""
        return bool(self.question or self.answers or self.judgments)


@dataclass(kw_only=True)
class Preparation:
    """Models that are being made ready: one activity."""

    activity: str
    done: int
    total: int
    unit: str

    @property
    def is_done(self) -> bool:
        """Whether it has come to its end."""
        return bool(self.total) and self.done >= self.total


class RunProgress:
    """A run as its events tell it.

    Attributes:
        name: Resource name.
        title: Name for people; may be empty.
        state: Such as `running`.
        reason: Why it is in that state; may be empty.
        progress: Steps, calls, tokens and cost at the last event.
        rounds: By index.
        preparations: By activity, in the order in which they began.
        latest: The last step that ended; `None` before the first.
    """

    def __init__(self, run: run_pb2.Run, setters: Mapping[int, str]) -> None:
        """Begins with the run as it was created; its events bring it up to date.

        Args:
            run: The run.
            setters: Who sets the question of which round, as far as is known.
        """
        league = run.league
        participants = len(league.participants)
        count = participants * league.rounds_per_participant
        # A run that judges another's answers has no other steps.
        judges_again = bool(run.source_run)
        self.name = run.name
        self.title = league.title
        self.participants = participants
        self.state = enum_words.state(run.state)
        self.state_number: int = run.state
        self.reason = run.state_reason
        self.progress = run.progress
        self.preparations: dict[str, Preparation] = {}
        self.latest: event_pb2.StepFinished | None = None
        self.rounds = {
            index: RoundProgress(
                index=index,
                setter=setters.get(index, ""),
                question="ok" if judges_again else "",
                answers_planned=0 if judges_again else participants - 1,
                judgments_planned=len(league.judges) or participants,
            )
            for index in range(1, count + 1)
        }
        self._created = _time(run.create_time)
        self._ended = _time(run.end_time) if run.HasField("end_time") else None
        self._pace_from = self._created
        self._pace_steps = 0

    def apply(self, event: event_pb2.RunEvent) -> None:
        """Takes the next event in."""
        when = _time(event.event_time)
        self.progress = event.progress
        kind = event.WhichOneof("kind")
        if kind == "run_state_changed":
            self._change_state(event.run_state_changed, when)
        elif kind == "step_finished":
            self._finish_step(event.step_finished)
        elif kind == "preparation_progress":
            self._prepare(event.preparation_progress)
            self._set_pace(when)

    def elapsed(self, now: datetime) -> float:
        """Returns the seconds since the run was created, up to its end."""
        return max(0.0, ((self._ended or now) - self._created).total_seconds())

    def seconds_left(self, now: datetime) -> float | None:
        """Returns an estimate by the speed so far; `None` where there is none."""
        steps = self.progress.done_steps - self._pace_steps
        left = self.progress.total_steps - self.progress.done_steps
        if self.state != "running" or steps < _MIN_STEPS_FOR_ESTIMATE or left <= 0:
            return None
        return (now - self._pace_from).total_seconds() / steps * left

    def failures(self) -> list[tuple[str, int]]:
        """Returns the number of steps lost by cause, the most frequent first."""
        return sorted(self.progress.failures.items(), key=lambda item: (-item[1], item[0]))

    def _change_state(self, change: event_pb2.RunStateChanged, when: datetime) -> None:
        self.state = enum_words.state(change.state)
        self.state_number = change.state
        self.reason = change.reason
        self._ended = when if is_terminal(change.state) else None
        self._set_pace(when)

    def _set_pace(self, when: datetime) -> None:
        """Begins to measure the speed anew: what was before did not play."""
        self._pace_from = when
        self._pace_steps = self.progress.done_steps

    def _finish_step(self, step: event_pb2.StepFinished) -> None:
        self.latest = step
        entry = self.rounds.get(step.round)
        if entry is None:
            return
        outcome = enum_words.outcome(step.outcome)
        if step.role == round_pb2.ROLE_QUESTION:
            entry.setter = step.participant
            entry.question = outcome
            entry.cause = step.cause
        elif step.role == round_pb2.ROLE_ANSWER:
            entry.answers.append(outcome)
        elif step.role == round_pb2.ROLE_JUDGMENT:
            entry.judgments.append(outcome)

    def _prepare(self, report: event_pb2.PreparationProgress) -> None:
        self.preparations[report.activity] = Preparation(
            activity=report.activity, done=report.done, total=report.total, unit=report.unit
        )


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
