"""Places for programs that run at once, and a bounded queue in which callers take turns.

Whoever has just been given a place, or has just let go of one, goes to the end of the
rotation. So while a caller without a place waits, no other is given more than one: many
programs of one caller delay another's first program by one at most.

A program that has had its place for a slice of time lets others have it between its
cases, and so does one whose results are not read: nobody holds all places for hours.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from sandbox.runner import QueueFullError

_SLICE_S = 5.0
# Each program that has begun has a container, also while it has no place.
_MOST_ASIDE = 16

_Turn = asyncio.Future[None]


@dataclass
class _Queue:
    """What waits of one caller: programs that have begun come before new ones."""

    begun: deque[_Turn] = field(default_factory=deque)
    new: deque[_Turn] = field(default_factory=deque)

    def first(self) -> _Turn:
        return (self.begun or self.new)[0]


class Places:
    """A number of places that are taken and given back; used on one event loop.

    Args:
        capacity: Places that there are.
        max_waiting: Programs of all callers that may wait to begin.
        slice_s: Seconds after which a program lets others have its place.
    """

    def __init__(self, capacity: int, max_waiting: int, slice_s: float = _SLICE_S) -> None:
        self._capacity = capacity
        self._max_waiting = max_waiting
        self._slice_s = slice_s
        self._held: Counter[str] = Counter()
        # Only callers that wait are in it, the next one first.
        self._rotation: OrderedDict[str, _Queue] = OrderedDict()
        self._waiting = 0
        self._begun = 0

    @property
    def in_use(self) -> int:
        """Places that are taken."""
        return self._held.total()

    @property
    def waiting(self) -> int:
        """Programs that wait to begin."""
        return self._waiting

    @asynccontextmanager
    async def taken(self, caller: str) -> AsyncIterator["Place"]:
        """Holds a place for as long as the context is open, after waiting for one.

        Args:
            caller: Who asks. Those of one caller come in their order; callers take turns.

        Raises:
            QueueFullError: Too many wait. When the queue is full, the last program of
                the caller that has the most in it makes room for one of a caller that
                has less.
        """
        await self._take(caller)
        place = Place(self, caller, self._slice_s)
        self._begun += 1
        try:
            yield place
        finally:
            self._begun -= 1
            place.give_back()

    async def _take(self, caller: str, *, again: bool = False) -> None:
        if self.in_use < self._capacity:
            self._held[caller] += 1
            return
        await self._wait(caller, self._queue(caller, again=again))

    async def _let_others(self, caller: str) -> None:
        """Gives a place back and waits for one again, after all who wait already."""
        turn = self._queue(caller, again=True)
        self._give_back(caller)
        await self._wait(caller, turn)

    async def _wait(self, caller: str, turn: _Turn) -> None:
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(caller, turn)
            elif turn.exception() is None:
                # It was given in the same turn of the loop: the next one has it.
                self._give_back(caller)
            raise

    def _queue(self, caller: str, *, again: bool) -> _Turn:
        if not again and self._waiting >= self._max_waiting:
            self._make_room(caller)
        turn: _Turn = asyncio.get_running_loop().create_future()
        queue = self._rotation.setdefault(caller, _Queue())
        if again:
            queue.begun.append(turn)
        else:
            queue.new.append(turn)
            self._waiting += 1
        return turn

    def _make_room(self, caller: str) -> None:
        full = QueueFullError(f"{self._waiting} programs wait already; try again in a moment")
        waiting = {each: len(queue.new) for each, queue in self._rotation.items()}
        most = max(waiting, key=lambda each: waiting[each], default=caller)
        if waiting.get(most, 0) <= waiting.get(caller, 0) + 1:
            raise full
        last = self._rotation[most].new[-1]
        self._leave(most, last)
        if not last.done():
            last.set_exception(full)

    def _leave(self, caller: str, turn: _Turn) -> None:
        queue = self._rotation.get(caller, _Queue())
        if turn in queue.begun:
            queue.begun.remove(turn)
        elif turn in queue.new:
            queue.new.remove(turn)
            self._waiting -= 1
        else:
            # Its turn came after it was cancelled and before it knew.
            return
        if not queue.begun and not queue.new:
            del self._rotation[caller]

    def _give_back(self, caller: str) -> None:
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        if caller in self._rotation:
            self._rotation.move_to_end(caller)
        while self._rotation:
            following, queue = next(iter(self._rotation.items()))
            turn = queue.first()
            self._leave(following, turn)
            if not turn.done():
                if following in self._rotation:
                    self._rotation.move_to_end(following)
                self._held[following] += 1
                turn.set_result(None)
                return

    def _is_wanted(self, caller: str) -> bool:
        """Says whether somebody waits who has fewer places than a caller."""
        if self._begun - self.in_use >= _MOST_ASIDE * self._capacity:
            return False
        return any(self._held[each] < self._held[caller] for each in self._rotation)


class Place:
    """The place of one program, which others may have between its cases."""

    def __init__(self, places: Places, caller: str, slice_s: float) -> None:
        self._places = places
        self._caller = caller
        self._slice_s = slice_s
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._is_held = True

    @property
    def is_held(self) -> bool:
        """Whether the program has it now."""
        return self._is_held

    @property
    def is_due(self) -> bool:
        """Whether it has been held for long enough, and somebody waits who has less."""
        long_enough = self._loop.time() - self._since >= self._slice_s
        return self._is_held and long_enough and self._places._is_wanted(self._caller)  # noqa: SLF001

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Gives it back if the context is open for longer than a slice."""
        timer = self._loop.call_later(self._slice_s, self.give_back)
        try:
            yield
        finally:
            timer.cancel()

    async def turn(self, *, keep: bool = False) -> None:
        """Lets others go first where that is due, and holds the place again after that.

        Args:
            keep: Whether the program is in the middle of something.
        """
        if self.is_due and not keep:
            self._is_held = False
            await self._places._let_others(self._caller)  # noqa: SLF001
        elif self._is_held:
            return
        else:
            await self._places._take(self._caller, again=True)  # noqa: SLF001
        self._is_held = True
        self._since = self._loop.time()

    def give_back(self) -> None:
        """Gives it back, if it is held."""
        if self._is_held:
            self._is_held = False
            self._places._give_back(self._caller)  # noqa: SLF001
