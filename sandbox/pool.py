"""Containers made ahead, each for one program, and removed once they were used."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sandbox.box import Box, BoxLostError
from sandbox.engine import Container, Engine
from sandbox.runner import UnavailableError

_log = logging.getLogger(__name__)
CLOSED = "the sandbox is closed"
_RETRY_S = 1.0
_MOST_RETRY_S = 30.0
_CLOSE_S = 30.0


class Pool:
    """Keeps containers ready; used on one event loop.

    It fills when the first one is asked for, and again in the background after each.

    Args:
        engine: Makes and removes them.
        size: How many are kept ready.
        threads: Where the engine's calls wait.
    """

    def __init__(self, engine: Engine, size: int, threads: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._size = size
        self._threads = threads
        self._ready: deque[Box] = deque()
        # All that were made and not discarded, those with a program in them too.
        self._boxes: set[Box] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._filling: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def ready(self) -> int:
        """Containers that wait for a program."""
        return len(self._ready)

    @property
    def closed(self) -> bool:
        """Whether it gives no more containers."""
        return self._closed

    async def take(self) -> Box:
        """Returns a container that no program has been in, made ahead if there is one.

        Raises:
            UnavailableError: None could be made.
        """
        if self._closed:
            raise UnavailableError(CLOSED)
        while self._ready:
            box = self._ready.popleft()
            if box.alive:
                self._fill()
                return box
            # The daemon was stopped since it was made.
            self.discard(box)
        box = await self._make()
        self._fill()
        return box

    def discard(self, box: Box) -> None:
        """Stops what runs in a container and removes it, once, in the background."""
        if box not in self._boxes:
            return
        self._boxes.remove(box)
        box.close()
        self._in_background(self._remove(box.id))

    async def close(self) -> None:
        """Removes all, with what runs in them, and waits until then, half a minute at most."""
        self._closed = True
        if self._filling is not None:
            self._filling.cancel()
        self._ready.clear()
        for box in tuple(self._boxes):
            self.discard(box)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                # One that was being made has to be removed after that.
                while self._tasks:
                    await asyncio.wait(self._tasks)

    def _fill(self) -> None:
        if self._closed or (self._filling is not None and not self._filling.done()):
            return
        self._filling = self._in_background(self._keep_full())

    async def _keep_full(self) -> None:
        pause = _RETRY_S
        while len(self._ready) < self._size and not self._closed:
            try:
                box = await self._make()
            except UnavailableError as error:
                _log.info("no container could be made ahead", extra={"why": str(error)})
                await asyncio.sleep(pause)
                pause = min(2 * pause, _MOST_RETRY_S)
                continue
            pause = _RETRY_S
            if self._closed:
                self.discard(box)
            else:
                self._ready.append(box)

    async def _make(self) -> Box:
        # What has been begun on a thread comes to an end there: whoever gives up waiting
        # must not leave its container behind.
        making = self._in_background(self._made())
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(self._discard_made)
            raise

    async def _made(self) -> Box:
        loop = asyncio.get_running_loop()
        container: Container = await loop.run_in_executor(self._threads, self._engine.create)
        try:
            box = await Box.over(container)
        except BoxLostError as error:
            await self._remove(container.id)
            raise UnavailableError(f"a container did not start: {error}") from error
        self._boxes.add(box)
        return box

    def _discard_made(self, making: asyncio.Task[Box]) -> None:
        if not making.cancelled() and making.exception() is None:
            self.discard(making.result())

    async def _remove(self, container_id: str) -> None:
        loop = asyncio.get_running_loop()
        pause = _RETRY_S
        while True:
            try:
                await loop.run_in_executor(self._threads, self._engine.remove, container_id)
            except UnavailableError as error:
                if self._closed:
                    _log.warning(
                        "a container was left", extra={"id": container_id, "why": str(error)}
                    )
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, _MOST_RETRY_S)
            else:
                return

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
