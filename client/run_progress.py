"""Where a run stands, folded from its events: what every view of it shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from llm_crowdsourced.v1 import event_pb2, league_pb2, round_pb2, run_pb2

from client import enum_words

_TERMINAL = {
    run_pb2.Run.STATE_SUCCEEDED,
    run_pb2.Run.STATE_FAILED,
    run_pb2.Run.STATE_CANCELLED,
}
_MODELS = "models"
_Key = tuple[int, int, str]
# Fewer steps than this say nothing about the speed of the rest.
_MIN_STEPS_FOR_ESTIMATE = 4


def is_terminal(state: int) -> bool:
    """Says whether nothing more will happen in that state."""
    return state in _TERMINAL


def has_stopped(state: int) -> bool:
    """Says whether nothing happens in that state unless somebody asks for it."""
    return is_terminal(state) or state == run_pb2.Run.STATE_PAUSED


@dataclass(kw_only=True)
class RoundProgress:
    """One round: its question, and the answers and judgments that have ended.

    Attributes:
        index: From 1.
        setter: Empty while not known.
        question: Outcome of the question; empty while it has not ended.
        cause: Why the question did not come, in one word.
        unverified: Its reference was not verified, so that no answer has a pass rate.
        answers: Outcomes of the answers that ended by participant, in the order they came.
        judgments: The same of the judgments.
        participants: Everyone in the league; the setter does not answer.
        judges: Those who judge.
        answers_planned: Answers in all.
    """

    index: int
    setter: str = ""
    question: str = ""
    cause: str = ""
    unverified: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    judgments: dict[str, str] = field(default_factory=dict)
    participants: Sequence[str]
    judges: Sequence[str]
    answers_planned: int

    @property
    def judgments_planned(self) -> int:
        """Judgments in all."""
        return len(self.judges)

    @property
    def is_done(self) -> bool:
        """Whether every judgment has ended, which nothing follows."""
        return len(self.judgments) >= self.judgments_planned

    @property
    def is_begun(self) -> bool:
        """Whether a step has ended."""
        return bool(self.question or self.answers or self.judgments)

    def waited_for(self) -> tuple[int, tuple[str, ...]]:
        """Returns the role that the round waits for, and of whom.

        Nobody in a round that is done. Whether a model has been asked is not told
        before its step has ended: a question may be on its way, or be checked or repaired.
        """
        if not self.question:
            return round_pb2.ROLE_QUESTION, (self.setter,)
        if self.is_done:
            return round_pb2.ROLE_UNSPECIFIED, ()
        if self.setter and len(self.answers) < self.answers_planned:
            others = (p for p in self.participants if p != self.setter)
            return round_pb2.ROLE_ANSWER, tuple(p for p in others if p not in self.answers)
        if len(self.answers) < self.answers_planned:
            return round_pb2.ROLE_UNSPECIFIED, ()
        return round_pb2.ROLE_JUDGMENT, tuple(j for j in self.judges if j not in self.judgments)


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
        checks_questions: Questions are checked, and may be repaired, before they count.
        budget: The limits.
        max_concurrent_calls: Calls under way at once, at most; 0 where not known.
        preparations: What is being made ready now, by activity.
        latest_lost: The last step that failed; `None` before the first.
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
        self.checks_questions = league.subject == league_pb2.SUBJECT_PROGRAMMING
        self.budget = league_pb2.Budget()
        self.budget.CopyFrom(league.budget)
        self.max_concurrent_calls = league.max_concurrent_calls
        self.state = enum_words.state(run.state)
        self.state_number: int = run.state
        self.reason = run.state_reason
        self.progress = run.progress
        self.preparations: dict[str, Preparation] = {}
        self.latest_lost: event_pb2.StepFinished | None = None
        self._skipped: dict[_Key, str] = {}
        self._endings: dict[str, str] = {}
        ids = tuple(p.id for p in league.participants)
        self.rounds = {
            index: RoundProgress(
                index=index,
                setter=setters.get(index, ""),
                question="ok" if judges_again else "",
                answers_planned=0 if judges_again else participants - 1,
                participants=ids,
                judges=tuple(i for i in ids if not league.judges or i in league.judges),
            )
            for index in range(1, count + 1)
        }
        judgments = sum(entry.judgments_planned for entry in self.rounds.values())
        self._taken_over = run.progress.total_steps - judgments if judges_again else 0
        self._created = _time(run.create_time)
        # When it stopped, and how long it had stood still before that.
        self._stopped = _time(run.end_time) if run.HasField("end_time") else None
        self._still = timedelta()
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
        elif kind == "steps_reopened":
            for step in event.steps_reopened.steps:
                self._reopen(step)
            self._set_pace(when)
        elif kind == "run_limits_changed":
            self._set_limits(
                event.run_limits_changed.budget, event.run_limits_changed.max_concurrent_calls
            )
            self._set_pace(when)

    def take_limits(self, run: run_pb2.Run) -> None:
        """Takes the limits of the run as it is now: those of an event may be of long ago."""
        self._set_limits(run.league.budget, run.league.max_concurrent_calls)

    def bring_up_to(self, run: run_pb2.Run) -> None:
        """Takes all numbers of the run as it is now, where it has stopped."""
        self.take_limits(run)
        self.progress = run.progress
        self.state = enum_words.state(run.state)
        self.state_number = run.state
        self.reason = run.state_reason

    def _set_limits(self, budget: league_pb2.Budget, max_concurrent_calls: int) -> None:
        self.budget.CopyFrom(budget)
        self.max_concurrent_calls = max_concurrent_calls

    def elapsed(self, now: datetime) -> float:
        """Returns the seconds since the run was created in which it was played.

        While it is paused or over the clock stands.
        """
        return max(0.0, ((self._stopped or now) - self._created - self._still).total_seconds())

    def seconds_left(self, now: datetime) -> float | None:
        """Returns an estimate by the speed so far; `None` where there is none."""
        steps = self.progress.done_steps - self._pace_steps
        left = self.progress.total_steps - self.progress.done_steps
        if self.state != "running" or steps < _MIN_STEPS_FOR_ESTIMATE or left <= 0:
            return None
        return (now - self._pace_from).total_seconds() / steps * left

    @property
    def done_steps(self) -> int:
        """Steps done; what a run that judges again took over is none of its own."""
        return max(0, self.progress.done_steps - self._taken_over)

    @property
    def total_steps(self) -> int:
        """Steps planned; what a run that judges again took over is none of its own."""
        return max(0, self.progress.total_steps - self._taken_over)

    def ending(self, cause: str) -> str:
        """Returns the outcome of steps that failed by that cause; empty where it is not known."""
        return self._endings.get(cause, "")

    def failures(self) -> list[tuple[str, int]]:
        """Returns the number of steps that failed by cause, the most frequent first.

        Steps that were skipped because another had failed are not in it.
        """
        lost = Counter(dict(self.progress.failures)) - Counter(self._skipped.values())
        return sorted(lost.items(), key=lambda item: (-item[1], item[0]))

    @property
    def skipped(self) -> int:
        """Steps that were skipped because another had failed."""
        return len(self._skipped)

    def waited_for(self) -> dict[int, dict[str, int]]:
        """Returns of whom the rounds wait for how many replies, by role.

        A setter that is not known is empty.
        """
        found: dict[int, dict[str, int]] = {}
        for entry in self.rounds.values():
            role, names = entry.waited_for()
            for name in names:
                numbers = found.setdefault(role, {})
                numbers[name] = numbers.get(name, 0) + 1
        return found

    def _change_state(self, change: event_pb2.RunStateChanged, when: datetime) -> None:
        self.state = enum_words.state(change.state)
        self.state_number = change.state
        self.reason = change.reason
        self.preparations.clear()
        stands = has_stopped(change.state)
        if stands and self._stopped is None:
            self._stopped = when
        elif not stands and self._stopped is not None:
            self._still += when - self._stopped
            self._stopped = None
        self._set_pace(when)

    def _set_pace(self, when: datetime) -> None:
        """Begins to measure the speed anew: what was before did not play."""
        self._pace_from = when
        self._pace_steps = self.progress.done_steps

    def _finish_step(self, step: event_pb2.StepFinished) -> None:
        # Whatever was made ready is.
        self.preparations.clear()
        outcome = enum_words.outcome(step.outcome)
        self._skipped.pop(_key(step), None)
        if step.outcome == round_pb2.OUTCOME_SKIPPED:
            self._skipped[_key(step)] = step.cause
        elif step.outcome != round_pb2.OUTCOME_OK:
            self.latest_lost = step
            self._endings[step.cause] = outcome
        entry = self.rounds.get(step.round)
        if entry is None:
            return
        if step.role == round_pb2.ROLE_QUESTION:
            entry.setter = step.participant
            entry.question = outcome
            entry.cause = step.cause
            entry.unverified = step.unverified
        elif step.role == round_pb2.ROLE_ANSWER:
            entry.answers[step.participant] = outcome
        elif step.role == round_pb2.ROLE_JUDGMENT:
            entry.judgments[step.participant] = outcome

    def _reopen(self, step: event_pb2.ReopenedStep) -> None:
        self._skipped.pop(_key(step), None)
        lost = self.latest_lost
        if lost is not None and _key(lost) == _key(step):
            self.latest_lost = None
        entry = self.rounds.get(step.round)
        if entry is None:
            return
        if step.role == round_pb2.ROLE_QUESTION:
            entry.question = entry.cause = ""
            entry.unverified = False
        elif step.role == round_pb2.ROLE_ANSWER:
            entry.answers.pop(step.participant, None)
        elif step.role == round_pb2.ROLE_JUDGMENT:
            entry.judgments.pop(step.participant, None)

    def _prepare(self, report: event_pb2.PreparationProgress) -> None:
        if report.unit == _MODELS:
            # Models are started one after another once all of them are there: a
            # count of them takes the place of what was said before.
            self.preparations.clear()
        self.preparations[report.activity] = Preparation(
            activity=report.activity, done=report.done, total=report.total, unit=report.unit
        )


def _key(step: event_pb2.StepFinished | event_pb2.ReopenedStep) -> _Key:
    return step.round, step.role, step.participant


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
