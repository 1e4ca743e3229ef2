"""Tells a provider's outage from a participant's failure, by how steps end one after another.

A league plays on past a participant that fails. Where a provider fails
everybody, playing on would spend every step of a long run in minutes.
"""

from collections.abc import Sequence

from server.league.league import Participant
from server.league.outcome import Outcome

STREAK = 4
"""Steps that have to fail in a row."""

_CAUSES = frozenset(
    {"unreachable", "server_error", "timeout", "stalled", "connection_lost", "rate_limited"}
)


class Outages:
    """Follows the ends of a run's steps, provider by provider; does no I/O.

    One model that fails while its provider serves others is that participant's
    own failure, so a streak counts only if it goes over two models, or no other
    model of the provider is asked. Only where no connection could be made
    is one model enough: models of this machine each have an endpoint of their own.
    """

    def __init__(self, participants: Sequence[Participant]) -> None:
        self._asked = {participant.id: participant for participant in participants}
        self._failed: dict[str, list[str]] = {}
        self._unreached: dict[tuple[str, str], int] = {}

    def drop(self, participant: Participant) -> None:
        """Leaves out a participant that is asked no more."""
        self._asked.pop(participant.id, None)

    def ended(self, participant: Participant, outcome: Outcome, cause: str, detail: str) -> str:
        """Hears how a step ended, after all retries.

        Returns:
            Why the run should pause, in one sentence; empty if it should not.
        """
        provider, model = participant.provider, participant.model
        if outcome is not Outcome.UNAVAILABLE:
            self._failed.pop(provider, None)
            self._unreached.pop((provider, model), None)
            return ""
        if cause not in _CAUSES:
            return ""
        models = self._failed.setdefault(provider, [])
        models.append(model)
        key = (provider, model)
        self._unreached[key] = self._unreached.get(key, 0) + 1 if cause == "unreachable" else 0
        others = {p.model for p in self._asked.values() if p.provider == provider} - {model}
        several = len(set(models)) > 1 or not others
        if len(models) >= STREAK and several:
            return _reason(f'provider "{provider}"', len(models), cause, detail)
        if self._unreached[key] >= STREAK:
            return _reason(f'{model} of provider "{provider}"', self._unreached[key], cause, detail)
        return ""


def _reason(what: str, steps: int, cause: str, detail: str) -> str:
    return f"{what} has failed {steps} steps in a row ({cause}: {detail})"
