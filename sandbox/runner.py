"""The port to a sandbox, and the ways in which a sandbox itself can fail."""

from collections.abc import AsyncGenerator
from typing import Protocol

from sandbox.model import Job, LanguageInfo, Result


class SandboxError(Exception):
    """Base of the sandbox's own failures; the message names cause and cure."""


class UnavailableError(SandboxError):
    """Programs cannot be run now: no Docker, no image, or a daemon that went away."""


class QueueFullError(SandboxError):
    """Too many programs wait already."""


class UnknownLanguageError(SandboxError):
    """The sandbox does not offer the language of a program."""


class Runner(Protocol):
    """Runs programs that nobody trusts.

    `sandbox.conformance` holds what every runner must do.
    """

    def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        """Gives what the compiler said, then one result for each case, in order.

        After a compile result other than `ACCEPTED` there are no cases. Closing the
        generator early stops the program and all that it started.

        Raises:
            UnavailableError: The sandbox cannot run programs, or went away meanwhile
                and did not come back.
            QueueFullError: Too many programs wait.
            UnknownLanguageError: It has no such language.
        """

    async def problem(self) -> str:
        """Says in one sentence why programs cannot be run, with the cure; empty if they can."""

    async def languages(self) -> tuple[LanguageInfo, ...]:
        """Returns the languages that it offers; versions are empty while it cannot run."""

    async def close(self) -> None:
        """Stops what runs, and leaves nothing behind."""
