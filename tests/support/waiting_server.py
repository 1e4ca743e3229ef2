"""`python -m tests.support.waiting_server`: the real server as a process, over a scripted runner.

It takes the options of `python -m server`. What a program was given is held for as long as
it runs and no longer, so that the memory of the process can be measured.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from unittest import mock

from sandbox.model import Job, Result
from server import __main__
from server.settings import SandboxSettings
from tests.support.scripted_runner import ScriptedRunner

_AT_ONCE = 16


class _Forgetful(ScriptedRunner):
    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        try:
            async with aclosing(super().execute(job)) as results:
                async for result in results:
                    yield result
        finally:
            self.jobs.clear()


def _runner(_settings: SandboxSettings) -> _Forgetful:
    return _Forgetful(capacity=_AT_ONCE)


if __name__ == "__main__":
    with mock.patch("server.app.runner_for", _runner):
        raise SystemExit(__main__.main())
