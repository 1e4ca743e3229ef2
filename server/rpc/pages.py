"""Pages of lists, bounded in bytes: the longest entries decide how many there are in one."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)

PAGE_BYTES = 2 << 20
"""Half of what a client takes by default in one message.

A single entry may be larger; clients of full views raise their limit.
"""


async def each(messages: Iterable[M]) -> AsyncGenerator[M, None]:
    """Yields messages that are there already."""
    for message in messages:
        yield message


async def fitting(messages: AsyncGenerator[M, None]) -> list[M]:
    """Returns the first messages that fit into a page by their bytes, at least one."""
    kept: list[M] = []
    size = 0
    async with aclosing(messages):
        async for message in messages:
            size += message.ByteSize()
            if kept and size > PAGE_BYTES:
                break
            kept.append(message)
    return kept
