"""Ctrl-C, as an event that a command answers instead of a traceback."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class InterruptedByUserError(Exception):
    """Ctrl-C was pressed, or the process was asked to end."""


class Interrupts:
    """Stops the innermost piece of guarded work when Ctrl-C is pressed.

    What is left can then be put in order, as guarded work of the one around
    it: a second Ctrl-C stops that too.
    """

    def __init__(self) -> None:
        self._count = 0
        self._guarded: list[asyncio.Task[Any]] = []

    async def guard(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Returns what the work returns.

        Raises:
            InterruptedByUserError: The work was stopped by Ctrl-C.
        """
        before = self._count
        task = asyncio.ensure_future(work)
        self._guarded.append(task)
        try:
            return await task
        except asyncio.CancelledError:
            if self._count > before and task.cancelled():
                raise InterruptedByUserError from None
            raise
        finally:
            self._guarded.remove(task)

    def interrupt(self) -> None:
        """Stops the innermost guarded work."""
        self._count += 1
        if self._guarded:
            self._guarded[-1].cancel()


@asynccontextmanager
async def listening() -> AsyncIterator[Interrupts]:
    """Listens to Ctrl-C and SIGTERM as long as the context is open."""
    loop = asyncio.get_running_loop()
    interrupts = Interrupts()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, interrupts.interrupt)
    try:
        yield interrupts
    finally:
        for number in signals:
            with contextlib.suppress(ValueError):
                loop.remove_signal_handler(number)
