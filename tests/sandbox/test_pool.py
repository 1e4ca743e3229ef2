"""The pool of containers: each is used once, and none is left."""

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import Generator
from contextlib import aclosing
from pathlib import Path

import pytest

from sandbox import engine
from sandbox.docker_runner import DockerRunner
from sandbox.engine import OWNER, Engine, _is_gone, owner
from sandbox.images.context import LABEL
from sandbox.model import Case, CompileResult, Job, Verdict
from sandbox.runner import UnavailableError
from tests.support.sandboxes import (
    Executed,
    busy,
    client,
    containers,
    executed,
    job,
    options,
    own_name,
    running,
    until,
)

pytestmark = pytest.mark.docker

ECHO = "print(input())"
SLEEP = "import time\nprint(input(), flush=True)\ntime.sleep(1000)"
ECHOED = tuple(Case(text.encode(), f"{text}\n".encode()) for text in "abc")


@pytest.fixture
def image(sandbox_image: str) -> Generator[str, None, None]:
    """Gives a name of the image that only this test uses."""
    with own_name(sandbox_image) as name:
        yield name


def _kill(container_id: str) -> None:
    with client() as daemon:
        daemon.api.remove_container(container_id, force=True)


async def test_it_is_filled_again_after_each_use(image: str) -> None:
    async with running(image, pool_size=2) as runner:
        seen: set[str] = set()
        for _ in range(4):
            got = await executed(runner, job("python", ECHO, *ECHOED))
            assert got.verdicts == [Verdict.ACCEPTED] * 3
            await until(lambda: runner._pool.ready == 2)
            await until(lambda: len(containers(image)) == 2)
            waiting = set(containers(image))
            # What was used is gone, and what waits now had no program in it.
            assert len(waiting - seen) >= 1
            seen |= waiting
        assert len(seen) >= 5
    assert containers(image) == []


async def test_one_that_was_removed_while_it_waited_is_not_given_out(image: str) -> None:
    async with running(image, pool_size=2) as runner:
        await executed(runner, job("python", ECHO, *ECHOED))
        await until(lambda: len(containers(image)) == 2 == runner._pool.ready)
        for container_id in containers(image):
            _kill(container_id)
        await until(lambda: not any(box.alive for box in runner._pool._ready))
        box = await runner._pool.take()
        assert box.alive
        runner._pool.discard(box)
        got = await executed(runner, job("python", ECHO, *ECHOED))
        assert got.verdicts == [Verdict.ACCEPTED] * 3


class _Lossy:
    """Removes containers in which a case lingers."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.removed: list[str] = []

    async def remove_once_it_lingers(self) -> None:
        """Waits until a case lingers in a container, and removes that."""

        def found() -> bool:
            self.removed += busy(self.image, at=LINGERS)[:1]
            return len(self.removed) > before

        before = len(self.removed)
        await until(found)
        await asyncio.to_thread(_kill, self.removed[-1])


# In the command of a case that waits for long enough to remove its container, and in no other.
LINGERS = "it-lingers"


def _slow_for(seconds: int) -> str:
    """Returns a program that waits for so long where it reads `slow`."""
    waits = f"import time; time.sleep({seconds}); print('slow')"
    return f"""import os, sys
word = input()
if word == "slow":
    os.execv(sys.executable, [sys.executable, "-c", {waits!r}, "{LINGERS}"])
print(word)
"""


async def _with_losses(image: str, losses: int, wanted: Job) -> Executed:
    async with running(image) as runner:
        lossy = _Lossy(image)
        executing = asyncio.create_task(executed(runner, wanted))
        for _ in range(losses):
            await lossy.remove_once_it_lingers()
        got = await executing
        assert len(set(lossy.removed)) == losses
    assert containers(image) == []
    return got


async def test_a_case_that_lost_its_container_is_run_again_in_another(image: str) -> None:
    cases = (Case(b"a", b"a\n"), Case(b"slow", b"slow\n"), Case(b"b", b"c\n"))
    got = await _with_losses(image, 1, job("python", _slow_for(8), *cases))
    # Nothing twice, nothing in another order, and what is wrong stays wrong.
    assert got.compiled.verdict is Verdict.ACCEPTED
    assert got.verdicts == ["accepted", "accepted", "wrong_answer"]


async def test_a_case_that_loses_two_is_given_up_and_the_next_is_run(image: str) -> None:
    cases = (Case(b"a", b"a\n"), Case(b"slow", b"slow\n"), Case(b"b", b"b\n"))
    got = await _with_losses(image, 2, job("python", _slow_for(45), *cases))
    assert got.verdicts == ["accepted", "sandbox_error", "accepted"]
    assert "lost 2 times" in got.cases[1].detail


async def test_a_closed_execution_leaves_no_program_and_no_container(image: str) -> None:
    async with running(image, pool_size=0) as runner:
        async with aclosing(runner.execute(job("python", SLEEP, *ECHOED))) as results:
            assert isinstance(await anext(results), CompileResult)
            assert len(containers(image)) == 1
        await until(lambda: containers(image) == [])


async def test_a_cancelled_execution_leaves_no_container(image: str) -> None:
    async with running(image, pool_size=0, concurrency=4) as runner:
        tasks = [
            asyncio.create_task(executed(runner, job("python", SLEEP, *ECHOED))) for _ in range(4)
        ]
        await until(lambda: len(busy(image)) == 4)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        await until(lambda: containers(image) == [])


@pytest.mark.parametrize("turns", [1, 3, 10, 100, 1000])
async def test_one_cancelled_while_it_is_made_is_not_left(image: str, turns: int) -> None:
    async with running(image, pool_size=0) as runner:
        task = asyncio.create_task(executed(runner, job("python", ECHO, *ECHOED)))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert containers(image) == []


@pytest.mark.parametrize("pause_s", [0.0, 0.05, 0.1, 0.2])
async def test_closing_while_it_fills_leaves_none(image: str, pause_s: float) -> None:
    runner = DockerRunner(options(image, pool_size=4))
    await executed(runner, job("python", ECHO, *ECHOED))
    await asyncio.sleep(pause_s)
    await runner.close()
    assert containers(image) == []


async def test_closing_ends_what_runs(image: str) -> None:
    runner = DockerRunner(options(image))
    executing = asyncio.create_task(executed(runner, job("python", SLEEP, *ECHOED)))
    await until(lambda: len(busy(image)) == 1)
    await runner.close()
    assert containers(image) == []
    with pytest.raises(UnavailableError, match="the sandbox is closed"):
        await executing
    with pytest.raises(UnavailableError, match="the sandbox is closed"):
        await executed(runner, job("python", ECHO, *ECHOED))
    assert await runner.problem() == "the sandbox is closed"
    # A second time it has nothing to do.
    await runner.close()


SERVER = """
import asyncio, json, sys
from tests.support.sandboxes import executed, job, options
from sandbox.docker_runner import DockerRunner
from sandbox.model import Case

async def main():
    runner = DockerRunner(options(sys.argv[1], pool_size=2))
    print(json.dumps("ready"), flush=True)
    await executed(runner, job("python", sys.argv[2], Case(b"a")))

asyncio.run(main())
"""


async def _server(image: str, source: str) -> asyncio.subprocess.Process:
    """Starts another process that executes a program."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVER,
        image,
        source,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert json.loads(await process.stdout.readline()) == "ready"
    return process


async def test_a_killed_server_leaves_none(image: str) -> None:
    """Its end closes the streams, at which the containers end and are removed."""
    server = await _server(image, SLEEP)
    await until(lambda: len(busy(image)) == 1 and len(containers(image, started=True)) == 3)
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    await until(lambda: containers(image) == [])


@pytest.mark.parametrize("made", [1, 2, 3])
async def test_a_server_killed_while_it_makes_them_leaves_none_to_the_next(
    image: str, made: int
) -> None:
    """One that was never started does not end; the next server removes it."""
    server = await _server(image, SLEEP)
    await until(lambda: len(containers(image)) >= made)
    server.kill()
    await server.wait()
    async with running(image, pool_size=0) as runner:
        assert await runner.problem() == ""
        await until(lambda: containers(image) == [])


async def test_what_was_never_started_is_removed_by_the_next_server(image: str) -> None:
    """A server that was killed between making a container and starting it."""
    gone = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from sandbox.engine import owner; print(owner())",
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    name, _ = await gone.communicate()
    with client() as daemon:
        # The first may be gone at once: any server of this machine that starts removes it.
        of_nobody, *others = [
            daemon.api.create_container(image, ["true"], labels={OWNER: label})["Id"]
            for label in (name.decode().strip(), owner(), "another machine/1/1", "1", "")
        ]
    async with running(image, pool_size=0) as runner:
        await executed(runner, job("python", ECHO, *ECHOED))
        left = set(containers(image))
        with client() as daemon:
            for each in others:
                daemon.api.remove_container(each, force=True)
        assert of_nobody not in left
        # Its own, another machine's, and what names nobody are not its to remove.
        assert set(others) <= left


def test_one_that_is_seen_from_another_namespace_is_not_gone() -> None:
    """A server in a container has numbers of its own, which say nothing here."""
    machine, pid, started = owner().rsplit("/", 2)
    namespace = str(Path("/proc/self/ns/pid").readlink())
    assert namespace in machine
    other = machine.replace(namespace, "pid:[1]")
    assert _is_gone(f"{machine}/{pid}/another time")
    assert not _is_gone(f"{machine}/{pid}/{started}")
    assert not _is_gone(f"{other}/{pid}/another time")


async def test_an_image_of_another_version_beside_a_running_server_is_not_used(
    image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(image, pool_size=0) as runner:
        assert (await executed(runner, job("python", "pass"))).verdicts == [Verdict.ACCEPTED]
        with client() as daemon:
            recipe = io.BytesIO(f"FROM {image}\nLABEL {LABEL}=another\n".encode())
            daemon.images.build(fileobj=recipe, tag=image, rm=True)
        with pytest.raises(UnavailableError, match="of another version"):
            await executed(runner, job("python", "pass"))
        # Its name may get another image between the question and the container.
        monkeypatch.setattr(runner._engine, "problem", lambda: "")
        with pytest.raises(UnavailableError, match="of another version"):
            await executed(runner, job("python", "pass"))
        # The files of the program may be another version's, while it still runs as it began.
        monkeypatch.setattr(engine, "expected_label", lambda: "another")
        with pytest.raises(UnavailableError, match="of another version"):
            await executed(runner, job("python", "pass"))
    await until(lambda: containers(image) == [])


async def test_two_servers_do_not_remove_each_others(image: str) -> None:
    server = await _server(image, SLEEP)
    try:
        await until(lambda: len(busy(image)) == 1 and len(containers(image, started=True)) == 3)
        theirs = set(containers(image))
        async with running(image) as one, running(image) as other:
            for runner in (one, other, one):
                got = await executed(runner, job("python", ECHO, *ECHOED))
                assert got.verdicts == [Verdict.ACCEPTED] * 3
            # It may find what others have left on this machine, and not these.
            Engine(options(image)).sweep()
            assert theirs <= set(containers(image))
        assert set(containers(image)) == theirs
    finally:
        server.kill()
        await server.wait()
    await until(lambda: containers(image) == [])
