"""A checker's container that is lost: its own loss, and not that of the program it judges."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sandbox import checking
from sandbox.languages import LANGUAGES
from sandbox.model import Case, Checker, CheckerFailure, Program, ProgramChecker, Verdict
from tests.support.sandboxes import client, executed, job, running

pytestmark = pytest.mark.docker
CASES = (Case(b"", b"1"), Case(b"", b"2"))
ALL_RIGHT = ProgramChecker(Program("python", "raise SystemExit(42)"))


def _killing(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Kills the containers of the checker, so many of them, each once it has compiled."""
    used: list[str] = []
    real = checking._compile

    async def compile_and_kill(box: Any, *arguments: Any) -> str:
        broken = await real(box, *arguments)
        used.append(box.id)
        if len(used) <= times:
            await asyncio.to_thread(_kill, box.id)
        return broken

    monkeypatch.setattr(checking, "_compile", compile_and_kill)
    return used


def _kill(container_id: str) -> None:
    with client() as daemon:
        daemon.api.kill(container_id)


def _compilations(monkeypatch: pytest.MonkeyPatch, runner: Any) -> list[Any]:
    """Counts how often the program is compiled."""
    made: list[Any] = []
    real: Callable[..., Any] = runner._compile

    async def counted(*arguments: Any) -> Any:
        made.append(arguments)
        return await real(*arguments)

    monkeypatch.setattr(runner, "_compile", counted)
    return made


async def _judged(
    image: str, monkeypatch: pytest.MonkeyPatch, checker: Checker = ALL_RIGHT
) -> tuple[Any, int]:
    async with running(image) as runner:
        compilations = _compilations(monkeypatch, runner)
        wanted = replace(job("python", "print(1)", *CASES), checker=checker)
        got = await executed(runner, wanted)
        return got, len(compilations)


async def test_it_is_asked_again_in_another_one(
    sandbox_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = _killing(monkeypatch, 1)
    got, compilations = await _judged(sandbox_image, monkeypatch)
    assert got.verdicts == [Verdict.ACCEPTED] * 2
    assert (len(set(used)), compilations) == (2, 1)


async def test_one_that_loses_every_container_is_named(
    sandbox_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = _killing(monkeypatch, checking.MOST_LOST)
    got, compilations = await _judged(sandbox_image, monkeypatch)
    # The next case has the checker in a container of its own again.
    assert got.verdicts == [Verdict.SANDBOX_ERROR, Verdict.ACCEPTED]
    assert got.cases[0].detail.startswith("the checker's container was lost 2 times: ")
    assert (len(set(used)), compilations) == (3, 1)


async def test_one_that_does_not_compile_says_why(
    sandbox_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only in which function the compiler was."""
    broken = ProgramChecker(Program("c", "int main(void) {\n  return nothing;\n}\n"))
    got, _ = await _judged(sandbox_image, monkeypatch, broken)
    assert got.verdicts == [Verdict.SANDBOX_ERROR] * 2
    for case in got.cases:
        assert case.detail.startswith("the checker does not compile: main.c:2")
        assert "undeclared" in case.detail
        assert case.checker is CheckerFailure.COMPILE


async def test_one_that_says_neither_right_nor_wrong_is_told_from_one_that_is_lost(
    sandbox_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _killing(monkeypatch, checking.MOST_LOST)
    crashing = ProgramChecker(Program("python", "raise SystemExit(1)"))
    got, _ = await _judged(sandbox_image, monkeypatch, crashing)
    assert got.verdicts == [Verdict.SANDBOX_ERROR] * 2
    assert [case.checker for case in got.cases] == [CheckerFailure.NOT, CheckerFailure.RUN]


async def test_the_names_in_its_source_are_read_once(
    sandbox_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    java = LANGUAGES["java"]
    names = java.names
    assert names is not None

    def counted(source: str) -> Any:
        read.append(source)
        return names(source)

    monkeypatch.setitem(LANGUAGES, "java", replace(java, names=counted))
    checker = ProgramChecker(
        Program("java", "class C { public static void main(String[] a) { System.exit(42); } }")
    )
    got, _ = await _judged(sandbox_image, monkeypatch, checker)
    assert got.verdicts == [Verdict.ACCEPTED] * 2
    assert len(read) == 1
