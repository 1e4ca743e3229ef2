"""Long work beside the event loop: threads that can be stopped, and progress on a clock."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from server.models.chat import Preparation, Report

_REPORT_EVERY_S = 0.3

Progress = Callable[[int], None]

_T = TypeVar("_T")


class Stopped(Exception):  # noqa: N818 - not an error: the caller asked for it
    """Work in a thread ended early because it was told to."""


async def in_thread(work: Callable[[threading.Event], _T]) -> _T:
    """Runs blocking work in a thread and returns its result.

    When the caller is cancelled the work is told to stop, and this waits until
    it has: nothing writes to a folder that the caller is about to remove.

    Args:
        work: Takes an event and ends soon after it is set.
    """
    stop = threading.Event()
    task = asyncio.create_task(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # Looked at, so that it is not reported as lost.
        raise


@asynccontextmanager
async def reporting(report: Report, probe: Callable[[], Preparation]) -> AsyncIterator[None]:
    """Reports where something stands, at most a few times a second, while it goes on.

    Args:
        report: Hears about it, in the event loop.
        probe: Says where it stands; called in the event loop.
    """

    async def tick() -> None:
        while True:
            report(probe())
            await asyncio.sleep(_REPORT_EVERY_S)

    ticker = asyncio.create_task(tick())
    try:
        yield
        report(probe())
    finally:
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker
