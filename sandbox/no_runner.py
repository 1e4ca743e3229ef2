"""Where programs are not run."""

from collections.abc import AsyncGenerator

from sandbox.languages import LANGUAGES
from sandbox.model import Job, LanguageInfo, Result
from sandbox.runner import UnavailableError


class NoRunner:
    """A runner that runs nothing and says why; see `sandbox.runner.Runner`.

    Args:
        problem: Why, in one sentence with the cure.
    """

    def __init__(self, problem: str) -> None:
        self._problem = problem

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:  # noqa: ARG002
        """Refuses.

        Raises:
            UnavailableError: Always.
        """
        raise UnavailableError(self._problem)
        yield

    async def problem(self) -> str:
        """Returns why it runs nothing."""
        return self._problem

    async def languages(self) -> tuple[LanguageInfo, ...]:
        """Returns the languages that a sandbox would offer."""
        return tuple(language.info() for language in LANGUAGES.values())

    async def close(self) -> None:
        """There is nothing to stop."""
