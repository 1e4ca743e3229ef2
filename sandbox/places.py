"""Places for programs that run at once, and a bounded queue in which callers take turns.

Whoever has just been given a place, or has just let go of one, goes to the end of the
rotation. So while a caller without a place waits, no other is given more than one: many
programs of one caller delay another's first program by one at most.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandbox.runner import QueueFullError


class Places:
    """A number of places that are taken and given back; used on one event loop.

    Args:
        capacity: Places that there are.
        max_waiting: Programs of all callers that may wait for one.
    """

    def __init__(self, capacity: int, max_waiting: int) -> None:
        self._capacity = capacity
        self._max_waiting = max_waiting
        self._held: Counter[str] = Counter()
        # Only callers that wait are in it, the next one first.
        self._rotation: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiting = 0

    @property
    def in_use(self) -> int:
        """Places that are taken."""
        return self._held.total()

    @property
    def waiting(self) -> int:
        """Programs that wait for one."""
        return self._waiting

    @asynccontextmanager
    async def taken(self, caller: str) -> AsyncIterator[None]:
        """Holds a place for as long as the context is open, after waiting for one.

        Args:
            caller: Who asks. Those of one caller come in their order; callers take turns.

        Raises:
            QueueFullError: Too many wait. When the queue is full, the last program of
                the caller that has the most in it makes room for one of a caller that
                has less.
        """
        await self._take(caller)
        try:
            yield
        finally:
            self._give_back(caller)

    async def _take(self, caller: str) -> None:
        if self.in_use < self._capacity:
            self._held[caller] += 1
            return
        place = self._queue(caller)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._leave(caller, place)
            elif place.exception() is None:
                # It was given in the same turn of the loop: the next one has it.
                self._give_back(caller)
            raise

    def _queue(self, caller: str) -> asyncio.Future[None]:
        if self._waiting >= self._max_waiting:
            self._make_room(caller)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rotation.setdefault(caller, deque()).append(place)
        self._waiting += 1
        return place

    def _make_room(self, caller: str) -> None:
        full = QueueFullError(f"{self._waiting} programs wait already; try again in a moment")
        if not self._rotation:
            raise full
        most = max(self._rotation, key=lambda each: len(self._rotation[each]))
        own = len(self._rotation.get(caller, ()))
        if len(self._rotation[most]) <= own + 1:
            raise full
        last = self._rotation[most][-1]
        self._leave(most, last)
        if not last.done():
            last.set_exception(full)

    def _leave(self, caller: str, place: asyncio.Future[None]) -> None:
        queue = self._rotation.get(caller, deque())
        if place not in queue:
            # Its turn came after it was cancelled and before it knew.
            return
        queue.remove(place)
        self._waiting -= 1
        if not queue:
            del self._rotation[caller]

    def _give_back(self, caller: str) -> None:
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        if caller in self._rotation:
            self._rotation.move_to_end(caller)
        while self._rotation:
            following, queue = next(iter(self._rotation.items()))
            place = queue[0]
            self._leave(following, place)
            if not place.done():
                if queue:
                    self._rotation.move_to_end(following)
                self._held[following] += 1
                place.set_result(None)
                return
