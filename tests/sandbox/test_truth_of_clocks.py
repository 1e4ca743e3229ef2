"""By the clock a program is held to what it waits for itself, and not to what machines do to it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from sandbox import languages
from sandbox.docker_runner import DockerRunner
from sandbox.inside.clock import most_wall_s
from sandbox.model import Case, CheckerFailure, Job, Program, ProgramChecker, Stopped, Verdict
from tests.support.busy_cores import busy_cores
from tests.support.sandboxes import (
    LIMITS,
    busy,
    client,
    executed,
    job,
    own_name,
    running,
    until,
)

pytestmark = pytest.mark.docker

_WALL_S = 3.0
_SHORT = replace(LIMITS, cpu_s=120.0, wall_s=_WALL_S)
# One core for seven of them, so that each waits most of the time on any machine.
_CROWD = f"""
import os, time
os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
end = time.monotonic() + 2 * {_WALL_S}
for _ in range(6):
    if os.fork() == 0:
        break
while time.monotonic() < end:
    pass
"""
# Its work is done in a thread, or in a child; what has begun the program waits for it.
_THREAD = f"""
import os, threading
def work():
    exec({_CROWD!r})
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
_SLEEPS = "import time\ntime.sleep(1000)"
_STOPS = "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"
_CHILD_STOPS = "import os, signal\nif os.fork() == 0: os.kill(os.getpid(), 19)\nos.wait()"
_LOOPS_A_CORE = 12


@pytest.fixture(scope="module")
async def runner(sandbox_image: str) -> AsyncGenerator[DockerRunner, None]:
    async with running(sandbox_image, pool_size=2) as made:
        yield made


@pytest.mark.parametrize("source", [_CROWD, _THREAD], ids=["crowd", "in a thread"])
async def test_what_waited_for_a_core_is_not_held_to_the_limit(
    runner: DockerRunner, source: str
) -> None:
    got = await executed(runner, job("python", source, Case(b""), Case(b""), limits=_SHORT))
    for case in got.cases:
        assert case.verdict is Verdict.ACCEPTED, case.facts
        assert case.facts.wall_s >= 2 * _WALL_S
        assert _WALL_S <= case.facts.delayed_s <= case.facts.wall_s


@pytest.mark.parametrize(
    "source", [_SLEEPS, _STOPS, _CHILD_STOPS], ids=["sleeps", "stopped", "its child is stopped"]
)
async def test_what_waits_by_itself_is_stopped_on_a_busy_machine(
    runner: DockerRunner, source: str
) -> None:
    with busy_cores(_LOOPS_A_CORE):
        got = await executed(runner, job("python", source, limits=_SHORT))
    facts = got.cases[0].facts
    assert got.verdicts == [Verdict.TIME_LIMIT]
    assert facts.stopped is Stopped.WALL
    # At its limit, and not at the bound of what a machine may do.
    assert _WALL_S <= facts.wall_s < most_wall_s(_WALL_S)
    assert facts.delayed_s < facts.wall_s


async def test_work_that_is_delayed_is_still_held_to_its_cpu_time(runner: DockerRunner) -> None:
    """To be delayed by threads of its own costs a program what these use."""
    endless = _CROWD.replace("time.monotonic() < end", "True")
    limits = replace(LIMITS, cpu_s=0.5)
    got = await executed(runner, job("python", endless, limits=limits))
    assert got.verdicts == [Verdict.TIME_LIMIT]
    assert got.cases[0].facts.stopped is Stopped.CPU


async def test_a_checker_program_is_not_held_to_what_delays_it_either(
    runner: DockerRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(languages.DEFAULT_LIMITS, cpu_s=60.0, wall_s=_WALL_S / 2)
    monkeypatch.setattr(languages, "DEFAULT_LIMITS", short)
    assert languages.LANGUAGES["python"].limits.wall_s == _WALL_S

    async def checked(source: str) -> tuple[Verdict, CheckerFailure]:
        wanted = Job(
            program=Program("python", "print(1)"),
            cases=(Case(b"", b"1\n"),),
            checker=ProgramChecker(Program("python", source)),
            limits=LIMITS,
        )
        (case,) = (await executed(runner, wanted)).cases
        return case.verdict, case.checker

    right = "\nimport sys\nsys.exit(42)"
    assert await checked(_CROWD + right) == (Verdict.ACCEPTED, CheckerFailure.NOT)
    assert await checked(_SLEEPS + right) == (Verdict.SANDBOX_ERROR, CheckerFailure.RUN)


async def test_a_container_that_stood_still_is_not_held_against_its_program(
    sandbox_image: str,
) -> None:
    wall_s = 8.0
    # It waits until it finds that time has passed it by.
    source = """
import time
before = time.monotonic()
while time.monotonic() - before < 5:
    before = time.monotonic()
    time.sleep(0.05)
"""
    with own_name(sandbox_image) as image, client() as daemon:
        async with running(image) as runner:
            limits = replace(LIMITS, wall_s=wall_s)
            running_it = asyncio.create_task(executed(runner, job("python", source, limits=limits)))
            await until(lambda: busy(image))
            (container,) = await asyncio.to_thread(busy, image)
            await asyncio.to_thread(daemon.api.pause, container)
            await asyncio.sleep(wall_s + 1)
            await asyncio.to_thread(daemon.api.unpause, container)
            got = await running_it
    facts = got.cases[0].facts
    assert got.verdicts == [Verdict.ACCEPTED], facts
    assert facts.wall_s > wall_s
    assert facts.wall_s - facts.delayed_s < wall_s
