"""Passes results on to a client, and ends the work for one that has gone or does not read."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Generic, TypeVar

import grpc

T = TypeVar("T")


class NotReadError(Exception):
    """The client read nothing for too long while results waited for it."""


class Delivery(Generic[T]):
    """Work whose results a client reads one by one.

    The work runs in a task of its own, one result ahead of the client. It is ended as
    soon as the call is over, whatever the call was doing then: a generator alone
    would be left where it stands, and closed when its memory is cleared.

    Args:
        work: Gives the results.
        context: The call.
        patience_s: Seconds that a result may wait to be read.
    """

    def __init__(
        self,
        work: AsyncGenerator[T, None],
        context: grpc.aio.ServicerContext[Any, Any],
        patience_s: float,
    ) -> None:
        self._work = work
        self._patience_s = patience_s
        self._ready: asyncio.Queue[T | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(2)
        self.task = asyncio.create_task(self._run(), name="work for a client")
        self.task.add_done_callback(_seen)
        # Its stub asks for a class where any function will do.
        over: Any = self._end
        context.add_done_callback(over)

    async def results(self) -> AsyncGenerator[T, None]:
        """Gives the results as they come.

        Raises:
            NotReadError: They were not read in time, and the work was ended.
            Exception: What the work raised.
        """
        try:
            while (result := await self._ready.get()) is not None:
                yield result
                self._room.release()
            await self.task
        finally:
            self.task.cancel()
            await asyncio.wait([self.task])

    def _end(self, _: grpc.aio.ServicerContext[Any, Any]) -> None:
        self.task.cancel()

    async def _run(self) -> None:
        try:
            async with aclosing(self._work):
                async for result in self._work:
                    await self._wait_for_room()
                    self._ready.put_nowait(result)
        finally:
            self._ready.put_nowait(None)

    async def _wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._room.acquire()
        except TimeoutError:
            raise NotReadError from None


def _seen(task: asyncio.Task[None]) -> None:
    """Takes note of an error that nobody is left to hear of."""
    if not task.cancelled():
        task.exception()
