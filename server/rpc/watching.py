"""Follows the events of runs for any number of watchers.

The table of events is the only truth. What costs is reading it and writing its
rows as messages, so for all watchers of a run one reader does both, once: it
takes the events that come with each commit, reads the table where it missed some,
and keeps the newest messages. A watcher that stands further back reads the table
itself. A watcher is a position and nothing else: it can lose no event,
however slow it is, and it takes no memory for what it has not read.

Sending must not hold up playing, which shares the thread: a burst of events
wakes the watchers once, few at a time, and few of them send at a time.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from llm_crowdsourced.v1 import run_service_pb2 as pb

from server.errors import InvalidTokenError, NotFoundError
from server.rpc import convert
from server.rpc.requests import page_position, page_token
from server.store.changes import Feed
from server.store.records import EventRecord
from server.store.store import Store

HEARTBEAT_S = 15.0
# The newest events of a watched run that are kept as messages, and the rows of one read.
_KEPT = 2000
_ROWS = 500
# Watchers that send at a time, what each sends before it queues again, and how
# long one that is not reading may hold a place.
_SENDERS = 16
_MESSAGES_A_TURN = 64
_TURN_S = 0.05
# Waking a watcher costs some 30 us: this holds it to an eighth of a core at most.
_S_BETWEEN_WAKES_A_WATCHER = 0.00025
_LEAST_S_BETWEEN_WAKES = 0.005
# While a timer of `_SAMPLE_S` comes later than by `_LATE_S`, playing has the thread: telling
# many watchers gives way to it, for at most so long for each of them.
_SAMPLE_S = 0.002
_LATE_S = 0.001
_S_GIVEN_WAY_A_WATCHER = 0.00125


class StoppingError(Exception):
    """The server stops: the watch can be gone on with at the next one, from its last token."""


class Watching:
    """The watchers of one server.

    Args:
        store: Where the events are.
        closing: Set when the server stops, which ends watches.
        heartbeat_s: Seconds between signs of life.
        notice: Says of a run why it stands still, which goes with them.
    """

    def __init__(
        self,
        store: Store,
        closing: asyncio.Event,
        heartbeat_s: float,
        notice: Callable[[str], Awaitable[str]],
    ) -> None:
        self._store = store
        self._notice = notice
        self._closing = closing
        self._heartbeat_s = heartbeat_s
        self._tails: dict[str, _Tail] = {}
        self._senders = asyncio.Semaphore(_SENDERS)

    @property
    def watched(self) -> dict[str, int]:
        """Number of watchers by run; a run that nobody watches is not in it."""
        return {run_id: tail.watchers for run_id, tail in self._tails.items()}

    async def follow(self, run_id: str, token: str) -> AsyncGenerator[pb.WatchRunResponse, None]:
        """Gives the events after a token, past ones and then new ones, and signs of life.

        Ends once the last event of the run is one that ends it: a run that has
        gone on after such an event is followed on.

        Raises:
            NotFoundError: There is no such run.
            InvalidTokenError: The token is not one of this run.
            StoppingError: The server stops.
        """
        position = page_position(_purpose(run_id), token, least=0) if token else 0
        async with self._tail(run_id) as tail:
            if position > tail.last:
                raise InvalidTokenError("the token is from beyond the last event of the run")
            while not self._closing.is_set():
                messages = await tail.after(position)
                if messages:
                    turn = await self._turn()
                    try:
                        for message in messages:
                            yield message
                    finally:
                        turn.end()
                    position += len(messages)
                elif tail.over:
                    return
                elif not await tail.changed(self._heartbeat_s):
                    yield pb.WatchRunResponse(
                        resume_token=page_token(_purpose(run_id), position),
                        notice=await self._notice(run_id),
                    )
        raise StoppingError

    @asynccontextmanager
    async def _tail(self, run_id: str) -> AsyncIterator["_Tail"]:
        """Gives the run's tail, which is there for as long as somebody watches the run."""
        tail = self._tails.get(run_id)
        if tail is None or tail.failed:
            tail = self._tails[run_id] = _Tail(run_id, self._store, self._closing)
        tail.watchers += 1
        try:
            await tail.ready()
            yield tail
        finally:
            tail.watchers -= 1
            if not tail.watchers:
                tail.close()
                if self._tails.get(run_id) is tail:
                    del self._tails[run_id]

    async def _turn(self) -> "_Turn":
        await self._senders.acquire()
        return _Turn(self._senders)


class _Turn:
    """A watcher's place among those that send; given back in time even by one that is stuck."""

    def __init__(self, senders: asyncio.Semaphore) -> None:
        self._senders = senders
        self._timer = asyncio.get_running_loop().call_later(_TURN_S, self.end)
        self._ended = False

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._timer.cancel()
            self._senders.release()


class _Tail:
    """The newest events of a run as messages, kept up by one reader for all its watchers."""

    def __init__(self, run_id: str, store: Store, closing: asyncio.Event) -> None:
        self.watchers = 0
        self.over = False
        self._run_id = run_id
        self._store = store
        self._closing = closing
        self._first = 1
        self._messages: list[pb.WatchRunResponse] = []
        self._waiting: set[asyncio.Future[bool]] = set()
        self._ready = asyncio.Event()
        self._error: Exception | None = None
        self._reader = asyncio.create_task(self._keep_up(), name=f"events of {run_id}")

    @property
    def last(self) -> int:
        """Number of the newest event that is known."""
        return self._first + len(self._messages) - 1

    @property
    def failed(self) -> bool:
        """Whether the reader has failed."""
        return self._error is not None

    def close(self) -> None:
        """Ends the reader."""
        self._reader.cancel()

    async def ready(self) -> None:
        """Waits until the newest events are there.

        Raises:
            NotFoundError: There is no such run.
            StoreError: The table cannot be read.
        """
        await self._ready.wait()
        if self._error is not None:
            raise self._error

    async def after(self, position: int) -> Sequence[pb.WatchRunResponse]:
        """Returns some of the events after a number, in order; none when it is the newest."""
        if self._error is not None:
            raise self._error
        if position + 1 < self._first:
            rows = min(_ROWS, self._first - 1 - position)
            return self._written(await self._store.events(self._run_id, position, rows))
        start = position + 1 - self._first
        return self._messages[start : start + _MESSAGES_A_TURN]

    async def changed(self, timeout_s: float) -> bool:
        """Waits for news, the end of the server among them; `False` when none came in time."""
        loop = asyncio.get_running_loop()
        news: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(timeout_s, _answer, news, False)  # noqa: FBT003
        self._waiting.add(news)
        try:
            return await news
        finally:
            self._waiting.discard(news)
            timer.cancel()

    async def _keep_up(self) -> None:
        try:
            with self._store.changes.watching(self._run_id) as feed:
                await self._begin()
                self._ready.set()
                while not self._closing.is_set():
                    await _either(feed.changed, self._closing)
                    await self._give_way()
                    feed.changed.clear()
                    if await self._take(feed):
                        await self._wake()
                    pause = self.watchers * _S_BETWEEN_WAKES_A_WATCHER
                    await asyncio.sleep(max(_LEAST_S_BETWEEN_WAKES, pause))
        except Exception as error:  # noqa: BLE001 - the watchers' to know
            self._error = error
        finally:
            self._ready.set()
            for news in self._waiting:
                _answer(news, True)  # noqa: FBT003

    async def _begin(self) -> None:
        last = await self._store.last_event(self._run_id)
        if not last:
            raise NotFoundError(f"runs/{self._run_id}")
        self._first = max(0, last - _KEPT) + 1
        await self._read()

    async def _take(self, feed: Feed) -> bool:
        """Takes what is new, from the table where it was not told; says whether there was any."""
        before = self.last
        events, whole = feed.take()
        self._add([event for event in events if event.sequence > before])
        if not whole or (events and events[-1].sequence > self.last):
            await self._read()
        return self.last > before

    async def _read(self) -> None:
        while events := await self._store.events(self._run_id, self.last, _ROWS):
            self._add(events)
            if len(events) < _ROWS:
                break

    def _add(self, events: Sequence[EventRecord]) -> None:
        """Keeps the events that come next; those from a gap on are left to the table."""
        if not events or events[0].sequence != self.last + 1:
            return
        self._messages += self._written(events)
        self.over = convert.is_terminal(events[-1])
        if (surplus := len(self._messages) - _KEPT) > _ROWS:
            del self._messages[:surplus]
            self._first += surplus

    async def _give_way(self) -> None:
        """Lets a burst of playing go first: the calls that follow from it are what takes long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.watchers * _S_GIVEN_WAY_A_WATCHER
        while loop.time() + _SAMPLE_S < until:
            begun = loop.time()
            await asyncio.sleep(_SAMPLE_S)
            if loop.time() - begun < _SAMPLE_S + _LATE_S:
                return

    async def _wake(self) -> None:
        waiting = list(self._waiting)
        for start in range(0, len(waiting), _SENDERS):
            for news in waiting[start : start + _SENDERS]:
                _answer(news, True)  # noqa: FBT003
            # What else has come meanwhile, such as replies of models, goes between.
            await asyncio.sleep(0)

    def _written(self, events: Sequence[EventRecord]) -> list[pb.WatchRunResponse]:
        purpose = _purpose(self._run_id)
        return [
            pb.WatchRunResponse(
                event=convert.event_to(event), resume_token=page_token(purpose, event.sequence)
            )
            for event in events
        ]


def _purpose(run_id: str) -> str:
    return f"watch runs/{run_id}"


def _answer(news: asyncio.Future[bool], value: bool) -> None:
    if not news.done():
        news.set_result(value)


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    """Waits until one of two events is set."""
    waits = [asyncio.ensure_future(each.wait()) for each in (one, other)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
