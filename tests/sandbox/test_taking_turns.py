"""Programs in real containers take turns by time; versions are looked up for all at once."""

import asyncio
from typing import Any

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.model import Case, CaseResult
from tests.support.sandboxes import containers, executed, job, own_name, running
from tests.support.scripted_league import eventually

pytestmark = pytest.mark.docker
SLEEPS = "import time; time.sleep(0.3)"
HELLO = "print(1)"


def _short_slices(runner: DockerRunner, seconds: float) -> None:
    runner._places._slice_s = seconds


async def test_a_long_program_lets_another_caller_go_first_between_its_cases(
    sandbox_image: str,
) -> None:
    async with running(sandbox_image, concurrency=1) as runner:
        _short_slices(runner, 0.5)
        order: list[str] = []

        async def run(caller: str, source: str, cases: int) -> None:
            wanted = job("python", source, *[Case(b"")] * cases, caller=caller)
            async for result in runner.execute(wanted):
                if isinstance(result, CaseResult):
                    assert str(result.verdict) == "accepted"
                    order.append(caller)

        long = asyncio.create_task(run("long", SLEEPS, 40))
        await eventually(lambda: bool(order))
        await asyncio.gather(run("short", HELLO, 1), run("other", HELLO, 1))
        assert len(order) < 40
        await long
        assert sorted(order) == ["long"] * 40 + ["other", "short"]
        assert runner._places.in_use == 0


async def test_a_program_whose_results_are_not_read_gives_its_place_up(sandbox_image: str) -> None:
    async with running(sandbox_image, concurrency=1) as runner:
        _short_slices(runner, 0.2)
        unread = runner.execute(job("python", HELLO, *[Case(b"")] * 3, caller="one"))
        results: list[Any] = [await anext(unread)]
        # Nothing is read meanwhile, and the same caller has another program as well.
        got = await executed(runner, job("python", HELLO, caller="one"))
        assert got.verdicts == ["accepted"]
        results += [result async for result in unread]
        assert [str(each.verdict) for each in results] == ["accepted"] * 4


async def test_many_who_ask_for_languages_take_one_container(
    sandbox_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_name(sandbox_image) as name:
        async with running(name, pool_size=0) as runner:
            made: list[str] = []
            create = runner._engine.create

            def counted() -> Any:
                container = create()
                made.append(container.id)
                return container

            monkeypatch.setattr(runner._engine, "create", counted)
            first = asyncio.create_task(runner.languages())
            await asyncio.sleep(0)
            # Who gives up takes it from nobody else.
            first.cancel()
            answers = await asyncio.gather(*(runner.languages() for _ in range(30)))
            assert len(made) == 1
            for languages in answers:
                assert all(language.toolchain for language in languages)
        assert containers(name) == []
