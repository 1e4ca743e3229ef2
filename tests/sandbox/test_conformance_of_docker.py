"""The Docker runner does what every runner must."""

from collections.abc import AsyncGenerator

import pytest

from sandbox.conformance import CHECKS
from sandbox.conformance.support import Check
from sandbox.docker_runner import DockerRunner
from tests.support.sandboxes import running

pytestmark = pytest.mark.docker


@pytest.fixture(name="runner", scope="module")
async def _runner(sandbox_image: str) -> AsyncGenerator[DockerRunner, None]:
    async with running(sandbox_image) as runner:
        yield runner


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_conformance(check: Check, runner: DockerRunner) -> None:
    await check(runner)
