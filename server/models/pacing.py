"""Paces the calls to one provider: how many at once, how many a minute, whose turn it is.

Waiting here is not the model's latency: who asks for a place measures only
after it has one.
"""

import asyncio
import heapq
import itertools
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from server.models.run_room import RunRoom

WINDOW_S = 60.0
_HALVING_INTERVAL_S = 1.0
_GROWTH_STRETCH = 10


@dataclass(eq=False)
class Entry:
    """One call in a window: when it went and the tokens that it is counted with.

    `counted` says that it is in the window still.
    """

    at: float
    tokens: int
    counted: bool = True


class Window:
    """Calls and tokens of the last minute against their limits.

    A sliding window and not a bucket that refills: no minute, wherever it
    starts, holds more than the limits. Calls are counted without limits as well,
    so that a limit holds for the minute in which it is set.
    """

    def __init__(self, requests: int | None, tokens: int | None) -> None:
        self._requests = requests
        self._tokens = tokens
        self._entries: deque[Entry] = deque()
        self._sum = 0

    @property
    def limits(self) -> tuple[int | None, int | None]:
        """Calls and tokens in any minute, at most; `None` is no limit."""
        return self._requests, self._tokens

    def set_limits(self, requests: int | None, tokens: int | None) -> None:
        """Changes the limits; what was counted stays."""
        self._requests = requests
        self._tokens = tokens

    def due(self, now: float, tokens: int) -> float:
        """Returns when a call of so many tokens may go: `now` or later.

        A call that is larger than a whole minute's tokens may go once the
        window is empty; it could never go otherwise.
        """
        self._expire(now)
        due = now
        if self._requests is not None and len(self._entries) >= self._requests:
            due = self._entries[len(self._entries) - self._requests].at + WINDOW_S
        if self._tokens is not None:
            excess = self._sum + min(tokens, self._tokens) - self._tokens
            for entry in self._entries:
                if excess <= 0:
                    break
                excess -= entry.tokens
                due = max(due, entry.at + WINDOW_S)
        return due

    def take(self, now: float, tokens: int) -> Entry:
        """Counts a call."""
        self._expire(now)
        entry = Entry(now, tokens)
        self._entries.append(entry)
        self._sum += tokens
        return entry

    def settle(self, entry: Entry, tokens: int) -> None:
        """Counts a call with the tokens that it really took."""
        if entry.counted:
            self._sum += tokens - entry.tokens
            entry.tokens = tokens

    def give_back(self, entry: Entry) -> None:
        """Forgets a call that was never sent."""
        if entry.counted:
            entry.counted = False
            self._sum -= entry.tokens
            self._entries.remove(entry)

    def _expire(self, now: float) -> None:
        while self._entries and self._entries[0].at + WINDOW_S <= now:
            expired = self._entries.popleft()
            expired.counted = False
            self._sum -= expired.tokens


class Place:
    """A place among the calls under way, had by `async with`.

    It counts against the limits a minute only once `sent` is called, so that a
    call that was refused at the last moment costs nobody a turn.
    """

    def __init__(
        self,
        pacer: "Pacer",
        priority: tuple[int, int],
        tokens: int,
        run: str,
        room: RunRoom | None,
    ) -> None:
        self._pacer = pacer
        self._priority = priority
        self._tokens = tokens
        self._run = run
        self._room = room
        self._entry: Entry | None = None
        self._sent = False

    async def __aenter__(self) -> Self:
        self._entry = await self._pacer.acquire(self._priority, self._tokens, self._run, self._room)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._entry is not None:
            self._pacer.release(self._entry, self._room, sent=self._sent)

    def sent(self) -> None:
        """Notes that the request leaves now."""
        self._sent = True

    def settle(self, tokens: int) -> None:
        """Corrects the estimate by the tokens that the call really took."""
        if self._entry is not None:
            self._pacer.settle(self._entry, tokens)


@dataclass(frozen=True)
class Hold:
    """A provider that has asked to be sent nothing for a while.

    Attributes:
        until: When it may be called again, UTC without time zone.
        why: Its own words, in one sentence; empty if it gave none.
    """

    until: datetime
    why: str


@dataclass(order=True)
class _Waiter:
    priority: tuple[int, int]
    number: int
    tokens: int
    granted: "asyncio.Future[Entry]"
    room: RunRoom | None


class Pacer:
    """Gives out places for the calls to one provider.

    Runs that have calls waiting take turns, one call a turn. Within a run the
    smallest priority goes first, and within it who came first. Where the next in
    turn has to wait for its minute, those behind it wait too: a large call cannot
    be overtaken for ever by small ones. A run that has no room for a further call
    is passed over until it has.
    """

    def __init__(
        self,
        *,
        max_concurrent: int,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Creates a pacer in which no call is under way.

        Args:
            max_concurrent: Calls under way at once, at most.
            requests_per_minute: Calls in any minute, at most.
            tokens_per_minute: Tokens in any minute, at most.
            clock: Seconds that only grow.
        """
        self._max = max_concurrent
        self._limit = max_concurrent
        self._clock = clock
        self._window = Window(requests_per_minute, tokens_per_minute)
        # Runs with calls waiting, in the order of their turns; a heap for each.
        self._queues: OrderedDict[str, list[_Waiter]] = OrderedDict()
        self._numbers = itertools.count()
        self._in_flight = 0
        self._stretch = 0
        self._held_until = float("-inf")
        self._hold: Hold | None = None
        self._halved_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        """Places given out."""
        return self._in_flight

    @property
    def limit(self) -> int:
        """Places that may be given out at once, as things stand."""
        return self._limit

    @property
    def max_concurrent(self) -> int:
        """Places that may be given out at once, when the provider has not had too much."""
        return self._max

    @property
    def rates(self) -> tuple[int | None, int | None]:
        """Calls and tokens in any minute, at most; `None` is no limit."""
        return self._window.limits

    def place(
        self,
        priority: tuple[int, int],
        tokens: int,
        run: str = "",
        room: RunRoom | None = None,
    ) -> Place:
        """Returns a place to enter; entering waits until it is free.

        Args:
            priority: Who goes first among the calls of a run; smaller is sooner.
            tokens: Tokens that the call may take.
            run: The run that it is for.
            room: The room of that run, which is taken with the place; no bound if `None`.
        """
        return Place(self, priority, tokens, run, room)

    def succeeded(self) -> None:
        """Hears of a call that the provider served; a stretch of them widens the limit."""
        self._stretch += 1
        if self._stretch >= _GROWTH_STRETCH and self._limit < self._max:
            self._stretch = 0
            self._limit += 1
            self._wake()

    def throttled(self) -> None:
        """Hears that the provider has had too much (429): half as many calls from now on.

        Calls that left together fail together, so one halving a second is
        taken for one signal.
        """
        self._stretch = 0
        now = self._clock()
        if now - self._halved_at >= _HALVING_INTERVAL_S:
            self._halved_at = now
            self._limit = max(1, self._limit // 2)

    def set_limits(self, *, max_concurrent: int) -> None:
        """Changes the limit from now on: a higher one lets waiting calls go.

        Calls under way stay, and where the provider was throttled the limit
        goes on growing back from where it is.
        """
        unhindered = self._limit == self._max
        self._max = max_concurrent
        self._limit = max_concurrent if unhindered else min(self._limit, max_concurrent)
        self._wake()

    def set_rates(
        self, *, requests_per_minute: int | None = None, tokens_per_minute: int | None = None
    ) -> None:
        """Changes the limits a minute from now on; the calls of the last minute count.

        Args:
            requests_per_minute: Calls in any minute, at most; `None` is no limit.
            tokens_per_minute: Tokens in any minute, at most; `None` is no limit.
        """
        self._window.set_limits(requests_per_minute, tokens_per_minute)
        self._wake()

    def hold(self, seconds: float, why: str = "") -> None:
        """Sends nothing to the provider for so long; calls under way go on.

        Args:
            seconds: How long the provider asks to wait.
            why: What it said, for people.
        """
        until = self._clock() + seconds
        if until > self._held_until:
            self._held_until = until
            now = datetime.now(UTC).replace(tzinfo=None)
            self._hold = Hold(now + timedelta(seconds=seconds), why)

    @property
    def held(self) -> Hold | None:
        """Until when the provider is sent nothing, and why; `None` if it is called."""
        return self._hold if self._held_until > self._clock() else None

    async def acquire(
        self, priority: tuple[int, int], tokens: int, run: str, room: RunRoom | None = None
    ) -> Entry:
        """Waits for a place; `place` is the safe way to have one."""
        granted: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(priority, next(self._numbers), tokens, granted, room)
        heapq.heappush(self._queues.setdefault(run, []), waiter)
        self._wake()
        try:
            return await granted
        except asyncio.CancelledError:
            # The place may have been granted in the same turn of the loop.
            if granted.done() and not granted.cancelled():
                if run in self._queues:
                    # It made no use of its run's turn, so the run has another.
                    self._queues.move_to_end(run, last=False)
                self.release(granted.result(), room, sent=False)
            else:
                granted.cancel()
                self._wake()
            raise

    def release(self, entry: Entry, room: RunRoom | None = None, *, sent: bool) -> None:
        """Takes a place back."""
        self._in_flight -= 1
        if not sent:
            self._window.give_back(entry)
        if room is not None:
            room.give_back()
        self._wake()

    def settle(self, entry: Entry, tokens: int) -> None:
        """Counts a call with the tokens that it really took."""
        self._window.settle(entry, tokens)
        self._wake()

    def _next(self) -> tuple[str, _Waiter] | None:
        """Returns who is next, and of which run; forgets those who do not wait any more."""
        over: list[str] = []
        found: tuple[str, _Waiter] | None = None
        for run, queue in self._queues.items():
            while queue and queue[0].granted.done():
                heapq.heappop(queue)
            if not queue:
                over.append(run)
                continue
            first = queue[0]
            if first.room is None or not first.room.is_full:
                found = run, first
                break
            first.room.wait(self._wake, first.priority)
        for run in over:
            del self._queues[run]
        return found

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._in_flight < self._limit and (found := self._next()) is not None:
            run, first = found
            now = self._clock()
            due = max(self._held_until, self._window.due(now, first.tokens))
            if due > now:
                self._timer = asyncio.get_running_loop().call_later(due - now, self._wake)
                return
            heapq.heappop(self._queues[run])
            self._queues.move_to_end(run)
            self._in_flight += 1
            if first.room is not None:
                first.room.take()
            first.granted.set_result(self._window.take(now, first.tokens))
