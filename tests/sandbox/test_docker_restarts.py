"""A Docker daemon that is stopped, killed and started again while programs run.

The daemon is of these tests' own; the machine's is never touched.
"""

import asyncio
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from sandbox import docker_runner
from sandbox.docker_runner import DockerRunner
from sandbox.model import Case
from sandbox.runner import UnavailableError
from tests.support.docker_daemon import IMAGE, Daemon, own_daemon
from tests.support.sandboxes import Executed, busy, containers, executed, job, running, until

pytestmark = [
    pytest.mark.docker,
    # The client of Docker does not close a socket over which it could not connect.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

# Beyond all that it waits for by itself: what takes longer hangs.
BOUND_S = 300.0
# A third of a second for each, so that there is a middle to be stopped in.
SOURCE = "import time\nword = input()\ntime.sleep(0.3)\nprint(word)"
CASES = tuple(Case(text.encode(), (f"{text}\n" * (text != "d")).encode()) for text in "abcdef")
RIGHT = ["accepted", "accepted", "accepted", "wrong_answer", "accepted", "accepted"]
JOB = job("python", SOURCE, *CASES)
LONG = job("python", SOURCE, *CASES * 50)


@pytest.fixture(scope="module")
def daemon(sandbox_image: str) -> Generator[Daemon, None, None]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("dockerd", "containerd"))):
        pytest.skip("starting a Docker daemon takes root, dockerd and containerd")
    # A short path: that of a socket has little room.
    with (
        tempfile.TemporaryDirectory(prefix="docker-") as folder,
        own_daemon(Path(folder), sandbox_image) as made,
    ):
        yield made


@pytest.fixture(autouse=True)
def _sockets_of_the_client() -> Generator[None, None, None]:
    yield
    # Here, so that no other test hears of them.
    gc.collect()


async def _end(daemon: Daemon, how: signal.Signals) -> None:
    await asyncio.to_thread(daemon.end, how)


async def _assert_recovers(runner: DockerRunner, daemon: Daemon) -> None:
    """Asserts that all is as if nothing had been, and that only what waits is left."""
    async with asyncio.timeout(BOUND_S):
        assert await runner.problem() == ""
        for _ in range(2):
            assert (await executed(runner, JOB)).verdicts == RIGHT
        await until(lambda: runner._pool.ready == 1)
        await until(lambda: len(containers(IMAGE, daemon.host)) == 1)


def _assert_right(got: list[Executed | BaseException]) -> int:
    """Asserts that no verdict is wrong, and returns how many executions ended well."""
    for each in got:
        if isinstance(each, Executed):
            assert each.compiled.verdict == "accepted", each
            assert each.verdicts == RIGHT, each
        else:
            assert isinstance(each, UnavailableError), each
    return sum(isinstance(each, Executed) for each in got)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("away_s", [0.0, 3.0])
async def test_restarted_in_the_middle(
    daemon: Daemon, how: signal.Signals, away_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ran is run again once the daemon is back: nobody hears of it."""
    # A busy machine takes long to start a daemon.
    monkeypatch.setattr(docker_runner, "_BACK_WITHIN_S", BOUND_S)
    async with running(IMAGE, docker_host=daemon.host) as runner:
        assert (await executed(runner, JOB)).verdicts == RIGHT
        executing = [asyncio.create_task(executed(runner, JOB)) for _ in range(3)]
        await until(lambda: busy(IMAGE, daemon.host))
        await _end(daemon, how)
        await asyncio.sleep(away_s)
        await asyncio.to_thread(daemon.start)
        async with asyncio.timeout(BOUND_S):
            got = await asyncio.gather(*executing, return_exceptions=True)
        # One had begun for certain; the others may have come to a daemon that was away.
        assert _assert_right(got) >= 1, got
        await _assert_recovers(runner, daemon)
    await until(lambda: containers(IMAGE, daemon.host) == [])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_gone_for_longer_than_is_waited_for(
    daemon: Daemon, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_runner, "_BACK_WITHIN_S", 1.0)
    async with running(IMAGE, docker_host=daemon.host) as runner:
        executing = asyncio.create_task(executed(runner, LONG))
        await until(lambda: busy(IMAGE, daemon.host))
        await _end(daemon, how)
        async with asyncio.timeout(BOUND_S):
            with pytest.raises(UnavailableError, match="Docker"):
                await executing
            assert "Docker" in await runner.problem()
            with pytest.raises(UnavailableError, match="Docker"):
                await executed(runner, JOB)
        await asyncio.to_thread(daemon.start)
        await _assert_recovers(runner, daemon)
    await until(lambda: containers(IMAGE, daemon.host) == [])
