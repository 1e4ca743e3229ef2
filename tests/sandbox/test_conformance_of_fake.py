"""The runner that other tests use does what every runner must; its hooks do what they say."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from sandbox.conformance import CHECKS
from sandbox.conformance.support import Check, job, outcome
from sandbox.model import Job, Result, Verdict
from sandbox.runner import QueueFullError, Runner, UnavailableError
from tests.support.fake_runner import FakeRunner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


@pytest.fixture(name="runner", scope="module")
async def _runner() -> AsyncGenerator[Runner, None]:
    runner = FakeRunner()
    yield runner
    await runner.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_conformance(check: Check, runner: Runner) -> None:
    await check(runner)


def test_each_check_has_a_name_of_its_own_and_says_what_it_holds() -> None:
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS)
    assert all(check.__doc__ for check in CHECKS)


async def _results(runner: FakeRunner, job_: Job) -> list[Result]:
    async with aclosing(runner.execute(job_)) as executing:
        return [result async for result in executing]


async def test_it_can_be_unavailable_for_a_while() -> None:
    runner = FakeRunner("no Docker; start it")
    assert await runner.problem() == "no Docker; start it"
    assert [language.toolchain for language in await runner.languages()] == [""]
    with pytest.raises(UnavailableError, match="no Docker; start it"):
        await _results(runner, job("print(1)\n"))
    runner.unavailable = ""
    assert (await outcome(runner, job("print(1)\n"))).only.verdict is Verdict.ACCEPTED


async def test_executions_are_held_and_let_go_and_the_queue_is_bounded() -> None:
    hold = asyncio.Event()
    runner = FakeRunner(hold=hold, capacity=2)
    held = [asyncio.create_task(_results(runner, job("print(1)\n"))) for _ in range(2)]
    await runner.until(lambda: len(runner.begun) == 2)
    with pytest.raises(QueueFullError):
        await _results(runner, job("print(1)\n"))
    held[0].cancel()
    await runner.until(lambda: len(runner.ended) == 1)
    third = asyncio.create_task(_results(runner, job("print(1)\n")))
    await runner.until(lambda: len(runner.begun) == 3)
    assert not held[1].done()
    hold.set()
    assert len(await held[1]) == len(await third) == 2
    assert len(runner.ended) == 3
    assert held[0].cancelled()


async def test_closing_it_stops_what_runs() -> None:
    runner = FakeRunner()
    endless = job("import time\ntime.sleep(600)\n")
    executing = runner.execute(endless)
    await anext(executing)
    step = asyncio.ensure_future(anext(executing))
    # A case runs once it can be stopped.
    await runner.until(lambda: bool(runner._stops))
    await runner.close()
    with pytest.raises(UnavailableError, match="closed"):
        await step
    assert runner.ended == [endless]
    with pytest.raises(UnavailableError, match="closed"):
        await _results(runner, endless)
