"""Passes results on to a client, and ends the work for one that has gone or does not read."""

import asyncio
import traceback
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc

T = TypeVar("T")


class NotReadError(Exception):
    """The client read nothing for too long while results waited for it."""


@dataclass
class _End:
    """Comes after the last result.

    Attributes:
        error: What the work raised, if it did.
    """

    error: Exception | None = None


class Delivery(Generic[T]):
    """Work whose results a client reads one by one.

    The work runs in a task of its own, one result ahead of the client. It is ended as
    soon as the call is over, whatever the call was doing then: a generator alone
    would be left where it stands, and closed when its memory is cleared.

    What the work holds, which may be large, is let go of with its end: neither the task
    nor an error that it keeps leads there.

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
        self._patience_s = patience_s
        self._ready: asyncio.Queue[T | _End] = asyncio.Queue()
        self._room = asyncio.Semaphore(2)
        self.task = asyncio.create_task(self._run(work), name="work for a client")
        self.task.add_done_callback(_forget_frames)
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
            while not isinstance(result := await self._ready.get(), _End):
                yield result
                self._room.release()
            if result.error is not None:
                raise result.error
            await self.task
        finally:
            # The error leads to this frame, which must not lead to the error.
            result = _End()
            self.task.cancel()
            await asyncio.wait([self.task])

    def _end(self, _: grpc.aio.ServicerContext[Any, Any]) -> None:
        self.task.cancel()

    async def _run(self, work: AsyncGenerator[T, None]) -> None:
        end = _End()
        try:
            async with aclosing(work):
                async for result in work:
                    await self._wait_for_room()
                    self._ready.put_nowait(result)
        except Exception as error:  # noqa: BLE001 - whoever reads raises it
            end.error = error
        finally:
            self._ready.put_nowait(end)
            del end

    async def _wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await self._room.acquire()
        except TimeoutError:
            raise NotReadError from None


def _forget_frames(task: asyncio.Task[None]) -> None:
    """Clears what a cancelled task remembers of where it was."""
    try:
        task.result()
    except asyncio.CancelledError as error:
        traceback.clear_frames(error.__traceback__)
