"""Tells a provider's outage from a participant's failure, by how steps end one after another.

A league plays on past a participant that fails. Where a provider fails
everybody, playing on would spend every step of a long run in minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from server.league.league import Participant
from server.league.outcome import Outcome

STREAK = 4
"""Steps that have to fail in a row."""

# The provider's own doing, whichever model was asked for.
_PROVIDERS = frozenset(
    {
        "unreachable",
        "server_error",
        "timeout",
        "stalled",
        "connection_lost",
        "rate_limited",
        "redirected",
        "unforeseen",
    }
)
# A page of somebody else's, such as one for maintenance; but a single model
# behind a gateway may be answered for so as well.
_PAGES = frozenset({"bad_body", "body_too_large"})
# A weak model's own way to fail, unless all do.
_MODELS = frozenset({"empty_reply"})
_REFUSALS = frozenset({"unauthorized", "forbidden"})

_CURES = {
    "bad_body": "something else than a chat API may answer at providers.{}.base_url",
    "body_too_large": "something else than a chat API may answer at providers.{}.base_url",
    "unauthorized": "correct the key that providers.{}.api_key_env names and start the server anew",
    "forbidden": "see what the key that providers.{}.api_key_env names may use",
}


@dataclass
class _Provider:
    """What a provider's steps have come to since it last served one.

    Attributes:
        failed: Model and cause of each step, in order.
        refused: Models for which the key was refused.
    """

    failed: list[tuple[str, str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


class Outages:
    """Follows the ends of a run's steps, provider by provider; does no I/O.

    One model that fails while its provider serves others is that participant's
    own failure, so a streak counts only if it goes over two models, or no other
    model of the provider is asked. Where the model itself may be the cause, it
    has to go over all of the provider's. Only where no connection could be made
    is one model enough: models of this machine each have an endpoint of their own.
    """

    def __init__(self, participants: Sequence[Participant]) -> None:
        self._asked = {participant.id: participant for participant in participants}
        self._providers: dict[str, _Provider] = {}
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
            self._providers.pop(provider, None)
            self._unreached.pop((provider, model), None)
            return ""
        since = self._providers.setdefault(provider, _Provider())
        if cause in _REFUSALS:
            return self._refused(provider, model, since, cause, detail)
        if cause in _PROVIDERS | _PAGES | _MODELS:
            return self._failed(provider, model, since, cause, detail)
        return ""

    def _refused(self, provider: str, model: str, since: _Provider, cause: str, detail: str) -> str:
        since.refused.add(model)
        if not self._refuses_all(provider, since.refused, cause):
            return ""
        why = f'provider "{provider}" has refused the key for each model ({cause}: {detail})'
        return why + _cure(provider, cause)

    def _failed(self, provider: str, model: str, since: _Provider, cause: str, detail: str) -> str:
        since.failed.append((model, cause))
        key = (provider, model)
        self._unreached[key] = self._unreached.get(key, 0) + 1 if cause == "unreachable" else 0
        if self._fails_all(provider, since.failed):
            why = _reason(f'provider "{provider}"', len(since.failed), cause, detail)
            return why + _cure(provider, cause)
        if self._unreached[key] >= STREAK:
            return _reason(f'{model} of provider "{provider}"', self._unreached[key], cause, detail)
        return ""

    def _refuses_all(self, provider: str, refused: set[str], cause: str) -> bool:
        """Says whether a provider takes the key for none of the models that are asked still.

        A provider's only model may be forbidden by itself; a key that is wrong is
        wrong for all.
        """
        if self._models(provider) - refused:
            return False
        return cause == "unauthorized" or len(refused) > 1 or self._is_alone(provider, refused)

    def _fails_all(self, provider: str, failed: Sequence[tuple[str, str]]) -> bool:
        """Says whether the steps that failed in a row are the provider's failure."""
        models = self._models(provider)
        own = [model for model, cause in failed if cause in _PROVIDERS]
        if len(own) >= STREAK and (len(set(own)) > 1 or models <= set(own)):
            return True
        seen = {model for model, _ in failed}
        if len(failed) < STREAK or not models <= seen:
            return False
        certain = any(cause not in _MODELS for _, cause in failed)
        return certain or len(seen) > 1 or self._is_alone(provider, seen)

    def _models(self, provider: str) -> set[str]:
        """Returns the models of a provider that are asked still."""
        return {p.model for p in self._asked.values() if p.provider == provider}

    def _is_alone(self, provider: str, models: set[str]) -> bool:
        """Says whether the league asks for nothing else."""
        return all(p.provider == provider and p.model in models for p in self._asked.values())


def _reason(what: str, steps: int, cause: str, detail: str) -> str:
    return f"{what} has failed {steps} steps in a row ({cause}: {detail})"


def _cure(provider: str, cause: str) -> str:
    return f"; {_CURES[cause].format(provider)}" if cause in _CURES else ""
