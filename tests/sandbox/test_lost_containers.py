"""Programs that lose their containers: what is said of them, and how many they may have."""

from collections.abc import Generator
from dataclasses import replace
from unittest.mock import patch

import pytest

from sandbox import docker_runner, endings
from sandbox.box import Box, BoxLostError
from sandbox.docker_runner import DockerRunner
from sandbox.engine import Container, Engine
from sandbox.model import MIB, Case, ExitFacts, Verdict
from tests.support.sandboxes import LIMITS, executed, job, running

pytestmark = pytest.mark.docker

_PRINTS = "print(1)"
_MORE_MIB = 64


@pytest.fixture
def made() -> Generator[list[str], None, None]:
    """Gives the ids of the containers that are made."""
    ids: list[str] = []
    create = Engine.create

    def noted(engine: Engine) -> Container:
        container = create(engine)
        ids.append(container.id)
        return container

    with patch.object(Engine, "create", noted):
        yield ids


@pytest.fixture
def lost_on_bad_input() -> Generator[None, None, None]:
    """Loses each container whose program is asked with the word bad."""
    answer = Box.facts

    async def facts(box: Box) -> ExitFacts:
        if box._sent[0].stdin == b"bad":
            raise BoxLostError("a test lost it")
        return await answer(box)

    with patch.object(Box, "facts", facts), patch.object(endings, "_WITHIN_S", 0):
        yield


async def _said(runner: DockerRunner, *inputs: bytes) -> list[tuple[str, str]]:
    got = await executed(runner, job("python", _PRINTS, *map(Case, inputs)))
    return [(str(case.verdict), case.detail.partition(":")[0]) for case in got.cases]


_LOST = ("sandbox_error", "its container was lost 2 times")
_NOT_RUN = ("sandbox_error", "not run")
_WELL = ("accepted", "")


@pytest.mark.usefixtures("lost_on_bad_input")
async def test_after_three_lost_cases_in_a_row_no_other_is_run(
    sandbox_image: str, made: list[str]
) -> None:
    async with running(sandbox_image) as runner:
        got = await _said(runner, b"", *[b"bad"] * 20, b"")
    assert got == [_WELL, *[_LOST] * 3, *[_NOT_RUN] * 18]
    # Two for each, what was made ahead, and what was being made when it ended.
    assert len(made) <= 3 * 2 + 2 + 1


@pytest.mark.usefixtures("lost_on_bad_input")
async def test_lost_cases_with_others_between_them_go_on(sandbox_image: str) -> None:
    async with running(sandbox_image) as runner:
        got = await _said(runner, b"bad", b"bad", b"", b"bad", b"bad", b"", b"bad")
    assert got == [_LOST, _LOST, _WELL, _LOST, _LOST, _WELL, _LOST]


async def test_a_runner_that_was_left_no_memory_is_told_as_a_memory_limit(
    sandbox_image: str, made: list[str]
) -> None:
    """Here it is given too little for what it keeps of an output, and the kernel ends it."""
    limits = replace(LIMITS, memory_bytes=MIB, output_bytes=_MORE_MIB * MIB)
    wanted = job("python", _PRINTS, *[Case(b"")] * 5, limits=limits)
    async with running(sandbox_image) as runner:
        with patch.object(docker_runner, "OVERHEAD_BYTES", (32 - _MORE_MIB) * MIB):
            got = await executed(runner, wanted)
        assert [case.verdict for case in got.cases] == [Verdict.MEMORY_LIMIT] * 5, got
        assert {case.detail for case in got.cases[:3]} == {docker_runner._STARVED + ", 2 times"}
        assert {case.detail for case in got.cases[3:]} == {docker_runner._NOT_RUN}
        assert len(made) <= 3 * 2 + 2 + 1
        assert (await executed(runner, job("python", _PRINTS))).verdicts == ["accepted"]
