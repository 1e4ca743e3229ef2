"""The view for logs and pipes: a line every few seconds, and one for what matters."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from llm_crowdsourced.v1 import event_pb2, round_pb2
from rich.console import Console

from client import plain, use_of_limits
from client.live_view import failures, numbers, step_line, waited_for
from client.run_progress import RunProgress
from client.screen import words

_INTERVAL_S = 5.0


class LineView:
    """Writes lines; none holds an escape sequence."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._next = 0.0
        self._failures: set[tuple[str, int, str]] = set()

    def __enter__(self) -> Self:
        """Begins; there is nothing to do."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends; there is nothing to do."""

    def update(self, progress: RunProgress, event: event_pb2.RunEvent) -> None:
        """Writes a line if it is time for one, or if the run changed its state."""
        kind = event.WhichOneof("kind")
        when = event.event_time.ToDatetime(tzinfo=UTC)
        now = self._clock()
        if kind == "run_state_changed":
            reason = f": {progress.reason}" if progress.reason else ""
            self._write(progress, when, f"{progress.state}{reason}")
        elif kind == "run_limits_changed":
            self._write(progress, when, _limits_line(event.run_limits_changed))
        elif kind == "steps_reopened":
            steps = plain.count(len(event.steps_reopened.steps), "step")
            self._write(progress, when, f"{steps} to be asked again")
        elif kind == "step_finished" and self._is_new_failure(event.step_finished):
            self._write(progress, when, step_line(event.step_finished))
        elif now < self._next:
            return
        elif kind == "preparation_progress":
            self._write(progress, when, preparation_line(event.preparation_progress))
        elif kind == "step_finished":
            self._write(progress, when, step_line(event.step_finished))
        self._next = now + _INTERVAL_S

    def _is_new_failure(self, step: event_pb2.StepFinished) -> bool:
        """Says whether a step failed as none of its participant and role has before."""
        if step.outcome in {round_pb2.OUTCOME_OK, round_pb2.OUTCOME_SKIPPED}:
            return False
        failure = (step.participant, step.role, step.cause)
        is_new = failure not in self._failures
        self._failures.add(failure)
        return is_new

    def say(self, sentence: str) -> None:
        """Writes a sentence."""
        self._console.print(words(sentence), soft_wrap=True)

    def note(self, notice: str) -> None:
        """Writes why the run stands still, and that it goes on."""
        self.say(notice or "It goes on.")

    def _write(self, progress: RunProgress, when: datetime, told: str) -> None:
        parts = [plain.duration(progress.elapsed(when)), plain.one_line(told, 200)]
        parts += numbers(progress) if progress.progress.done_steps else []
        left = progress.seconds_left(when)
        parts += [f"{plain.rough_duration(left)} left"] if left is not None else []
        lost = failures(progress)
        parts += [f"lost: {lost}"] if lost else []
        if progress.state == "running" and (names := waited_for(progress)):
            parts.append(f"waiting for {names}")
        self.say(" | ".join(parts))


def _limits_line(change: event_pb2.RunLimitsChanged) -> str:
    told = use_of_limits.limits(change.budget)
    if change.max_concurrent_calls:
        told.append(f"{plain.count(change.max_concurrent_calls, 'call')} at once")
    return f"limits changed: {', '.join(told)} at most" if told else "limits lifted"


def preparation_line(report: event_pb2.PreparationProgress) -> str:
    """Returns such as `fetching qwen: 12.0 MB of 478.1 MB`."""
    amount = plain.size if report.unit == "bytes" else str
    reached = amount(report.done) + (f" of {amount(report.total)}" if report.total else "")
    return f"{report.activity}: {reached}"
