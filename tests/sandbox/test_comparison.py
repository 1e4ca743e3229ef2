"""Large outputs: compared as small ones are, and not on the loop."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from sandbox import beside as beside_module
from sandbox import comparison
from sandbox.beside import beside
from sandbox.checker import compare
from sandbox.comparison import compared
from sandbox.model import Exact, Floats, Tokens
from tests.support.scripted_league import eventually

WORDS = 300_000
PRINTED = b"1 " * WORDS
EXPECTED = b"1.0 " * WORDS
CHECKERS = (Exact(), Tokens(), Floats(absolute=1e-6, relative=0.1))


def _children() -> list[str]:
    return Path(f"/proc/self/task/{threading.main_thread().native_id}/children").read_text().split()


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (PRINTED, EXPECTED),
        (PRINTED, PRINTED),
        (PRINTED + b"2", EXPECTED + b"3"),
        (PRINTED + "ü\x1b".encode(), EXPECTED + b"\xff"),
        (PRINTED, EXPECTED + b"3"),
        (b"1", b"1.01"),
        (b"", b""),
    ],
)
async def test_it_is_as_the_checker_has_it(
    checker: Exact | Tokens | Floats, output: bytes, expected: bytes
) -> None:
    assert await compared(checker, output, expected) == compare(checker, output, expected)


async def test_many_numbers_are_compared_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a thread they would hold the interpreter."""
    monkeypatch.setattr(comparison, "beside", None)
    assert await compared(Floats(), PRINTED, EXPECTED) is None
    assert _children() == []


async def test_a_process_ends_with_whom_it_compares_for() -> None:
    comparing = asyncio.create_task(compared(Floats(), PRINTED * 10, EXPECTED * 10))
    await eventually(lambda: len(_children()) == 1)
    comparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await comparing
    assert _children() == []


async def test_a_process_that_is_killed_is_done_without() -> None:
    output, expected = PRINTED + b"2", EXPECTED + b"3"
    comparing = asyncio.create_task(compared(Floats(), output, expected))
    await eventually(lambda: len(_children()) == 1)
    os.kill(int(_children()[0]), 9)
    assert await comparing == compare(Floats(), output, expected)


async def test_large_work_is_done_beside_the_loop_on_few_threads() -> None:
    here = threading.get_ident()
    assert await beside(10, threading.get_ident) == here
    large = await asyncio.gather(*(beside(1 << 20, threading.get_ident) for _ in range(50)))
    assert here not in large
    assert len(set(large)) <= beside_module._THREADS._max_workers
