"""Carries work through that must not be left half done when its task is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def carry_through(work: Coroutine[Any, Any, T]) -> T:
    """Awaits the work to its end, and only then lets a cancellation go on.

    Raises:
        asyncio.CancelledError: The task was cancelled meanwhile, and the work is done.
        Exception: What the work raised, cancelled or not.
    """
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
        except Exception:  # noqa: BLE001 - raised again below, from the task
            break
    result = task.result()
    if cancelled:
        raise asyncio.CancelledError
    return result
