"""Which finished steps of a run are opened again when what failed is asked once more. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from server.league.league import League
from server.league.outcome import Outcome
from server.league.schedule import Role, StepKey, judged_by, schedule, setter_of

_RETRIED = frozenset({Outcome.UNAVAILABLE, Outcome.UNPARSABLE})


@dataclass(frozen=True)
class Reopening:
    """The steps to open again, in the order of the schedule.

    Attributes:
        failed: Steps that ended unavailable or unparsable.
        skipped: Steps that had been skipped for want of one of those.
    """

    failed: tuple[StepKey, ...]
    skipped: tuple[StepKey, ...]


def reopening(
    league: League, finished: Mapping[StepKey, Outcome], *, judgments_only: bool = False
) -> Reopening:
    """Chooses the steps of a run to open again.

    A refusal or a reply cut at its limit is what the model had to say, so it
    stays. A skipped step follows the question or the answers that it needs.

    Args:
        league: What is played.
        finished: How the finished steps ended.
        judgments_only: Questions and answers are another run's and stay.
    """
    failed: list[StepKey] = []
    skipped: list[StepKey] = []
    opened: set[StepKey] = set()
    for key in schedule(league):
        if judgments_only and key.role is not Role.JUDGMENT:
            continue
        outcome = finished.get(key)
        if outcome in _RETRIED:
            failed.append(key)
            opened.add(key)
        elif outcome is Outcome.SKIPPED and any(need in opened for need in _needs(league, key)):
            skipped.append(key)
            opened.add(key)
    return Reopening(tuple(failed), tuple(skipped))


def _needs(league: League, key: StepKey) -> Iterator[StepKey]:
    """Yields the steps that a step builds on; the schedule has them before it."""
    if key.role is not Role.QUESTION:
        yield StepKey(key.round, Role.QUESTION, setter_of(league, key.round))
    if key.role is Role.JUDGMENT:
        for answerer in judged_by(league, key.round, key.participant):
            yield StepKey(key.round, Role.ANSWER, answerer)
