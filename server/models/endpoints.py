"""The port of the models that this machine serves: what is had, and where it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from server.models.chat import Report


@dataclass(frozen=True, kw_only=True)
class LocalModelInfo:
    """One model that this machine can serve.

    Attributes:
        name: Name by which a participant asks for it.
        license: License of its weights, such as `Apache-2.0`.
        size_bytes: Size of its weights.
        ready: The weights are on this machine already.
    """

    name: str
    license: str
    size_bytes: int
    ready: bool


class LocalEndpoints(Protocol):
    """Serves models on this machine, each at an address with the OpenAI chat API."""

    def problem(self, model: str) -> str:
        """Says in one sentence why the model cannot be had; empty if it can."""

    def catalogue(self) -> Sequence[LocalModelInfo]:
        """Returns the models that can be had."""

    async def ensure(self, models: Sequence[str], report: Report) -> Mapping[str, str]:
        """Fetches and starts the models; returns the base URL of each, with `/v1`."""

    async def close(self) -> None:
        """Stops what was started."""
