"""After all attacks: the host is as it was, and programs get what they deserve.

Other servers may use the same daemon meanwhile, so that what is looked for is what belongs
to no container that lives.
"""

import asyncio
import logging
from collections.abc import Callable

import docker
import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.engine import OWNER, owner
from sandbox.model import Verdict
from sandbox.options import DockerOptions
from tests.support.attacks import attack, run
from tests.support.host import Host, files_of_theirs

pytestmark = pytest.mark.docker

_WITHIN_S = 120.0


@pytest.mark.parametrize("number", range(2))
async def test_the_next_program_is_right(runner: DockerRunner, number: int) -> None:
    source = f"print(sum(map(int, input().split())) + {number})"
    outcome = await run(runner, "python", source, b"1 2", b"3 4")
    assert [case.facts.stdout for case in outcome.cases] == [
        b"%d\n" % (3 + number),
        b"%d\n" % (7 + number),
    ]
    source = '#include <stdio.h>\nint main(void) { int a; return scanf("%d", &a) == 1 ? a : 9; }'
    outcome = await run(runner, "c", source, b"0", b"5")
    assert [case.verdict for case in outcome.cases] == [Verdict.ACCEPTED, Verdict.RUNTIME_ERROR]


@pytest.mark.parametrize("after_s", [0.0, 0.1, 1.0])
async def test_nothing_is_left_once_the_runner_is_closed(
    sandbox_image: str, host_before: Host, caplog: pytest.LogCaptureFixture, after_s: float
) -> None:
    """A runner of its own, that ends in the middle of attacks, or of making containers."""
    options = DockerOptions(
        docker_host="",
        image=sandbox_image,
        concurrency=2,
        pool_size=1,
        max_waiting=8,
        runtime="",
    )
    runner = DockerRunner(options)
    bomb = asyncio.create_task(attack(runner, "while True:\n  attempt(os.fork)"))
    sleeper = asyncio.create_task(attack(runner, "time.sleep(15)"))
    await asyncio.sleep(after_s)
    for task in (bomb, sleeper):
        task.cancel()
    await asyncio.gather(bomb, sleeper, return_exceptions=True)
    await runner.close()
    await _gone(lambda: Host.now().strays(host_before))
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


async def test_every_container_was_removed(runner: DockerRunner, host_before: Host) -> None:
    await runner.close()
    await _gone(_ours)
    await _gone(lambda: Host.now().strays(host_before))


def test_no_queue_and_no_shared_memory_of_theirs_is_on_the_host() -> None:
    now = Host.now()
    assert now.shared == ()
    assert now.queues == ()


def test_no_file_of_theirs_is_on_the_host() -> None:
    """None of a container's users owns a file in the folders that everybody may write."""
    folders = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run")  # noqa: S108
    assert [path for folder in folders for path in files_of_theirs(folder)] == []


def _ours() -> list[str]:
    """Returns the containers of this process, of every runner in it."""
    client = docker.from_env()
    try:
        found = client.api.containers(all=True, quiet=True, filters={"label": f"{OWNER}={owner()}"})
        return [each["Id"] for each in found]
    finally:
        client.close()


async def _gone(look: Callable[[], list[str]]) -> None:
    """Looks until nothing is left of what was there at first.

    Removing goes on in the background for a while, and others come and go meanwhile.
    """
    left = set(await asyncio.to_thread(look))
    for _ in range(int(_WITHIN_S / 0.5)):
        if not left:
            return
        await asyncio.sleep(0.5)
        left &= set(await asyncio.to_thread(look))
    assert left == set()
