"""Work of the processor beside the event loop, on which everybody else waits."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
# What is smaller is done before a thread has woken up.
_SMALL_BYTES = 16 << 10
# Few: each one more makes the loop wait longer for its turn of the interpreter.
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="sandbox")


async def beside(size: int, work: Callable[[], T]) -> T:
    """Returns what some work comes to, done on a thread where it may take long.

    Args:
        size: Bytes or characters that it reads.
        work: Takes time in proportion to them.
    """
    if size < _SMALL_BYTES:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
