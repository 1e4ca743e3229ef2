"""A Docker daemon that takes calls and never answers: nobody waits for it twice, or in turn."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox import engine
from sandbox.images.daemon import connect
from sandbox.runner import UnavailableError
from tests.support.sandboxes import executed, job, running

HELLO = job("python", "print(1)")


@contextmanager
def _listening(path: Path) -> Generator[socket.socket, None, None]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(100)
        yield listening


@pytest.fixture
def silent(tmp_path: Path) -> Generator[str, None, None]:
    """Gives the address of one; all that connect there wait to be accepted."""
    with _listening(tmp_path / "silent.sock"):
        yield f"unix://{tmp_path / 'silent.sock'}"


def _knocks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Counts how often an engine connects."""
    made: list[float] = []

    def counted(*arguments: object, **named: object) -> object:
        made.append(0)
        return connect(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "connect", counted)
    return made


async def test_programs_wait_together_and_not_one_after_another(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_FIRST_S", 1)
    knocks = _knocks(monkeypatch)
    async with running("any", docker_host=silent) as runner:
        async with asyncio.timeout(120):
            got = await asyncio.gather(
                *(executed(runner, HELLO) for _ in range(4)),
                *(runner.problem() for _ in range(4)),
                return_exceptions=True,
            )
        assert [type(each) for each in got] == [UnavailableError] * 4 + [str] * 4
        assert {"Docker does not answer" in str(each) for each in got} == {True}
        # All wait for one attempt, and those that come after it do not try again.
        assert len(knocks) == 1


async def test_who_comes_later_is_refused_at_once(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_FIRST_S", 1)
    monkeypatch.setattr(engine, "_SILENT_S", 600.0)
    knocks = _knocks(monkeypatch)
    async with running("any", docker_host=silent) as runner:
        problem = await runner.problem()
        for _ in range(5):
            with pytest.raises(UnavailableError) as raised:
                await executed(runner, HELLO)
            assert str(raised.value) == problem
            assert {each.toolchain for each in await runner.languages()} == {""}
        assert len(knocks) == 1


async def test_a_daemon_that_was_silent_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_FIRST_S", 1)
    monkeypatch.setattr(engine, "_SILENT_S", 0.0)
    path = tmp_path / "silent.sock"
    async with running("any", docker_host=f"unix://{path}") as runner:
        with _listening(path):
            assert "Docker does not answer" in await runner.problem()
        path.unlink()
        assert "Docker is not running here" in await runner.problem()
