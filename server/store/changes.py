"""Wakes those who watch a run when something of it has been committed.

With the wake-up come the events that the commit wrote, just as the table has them,
so that a watcher who keeps up need not read them again. Whoever has missed some
reads the table from where it stood: no watcher can lose an event, however slow it
is, and none holds up the writer.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from server.store.records import EventRecord

# Events that wait for a watcher at most; one that is further behind reads the table.
_MOST = 4096


class Feed:
    """What one watcher hears of its run; used on the loop.

    Attributes:
        changed: Set when the run has changed.
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._events: list[EventRecord] = []
        self._whole = True

    def take(self) -> tuple[Sequence[EventRecord], bool]:
        """Returns the events since the last call, and whether they are all that came."""
        taken = self._events, self._whole
        self._events, self._whole = [], True
        return taken

    def put(self, events: Sequence[EventRecord]) -> None:
        """Adds the events of a commit."""
        if len(self._events) + len(events) > _MOST:
            self._events, self._whole = [], False
        elif self._whole:
            self._events += events
        self.changed.set()


class Changes:
    """Watchers by run. `announce` may be called from any thread, the rest on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watchers: dict[str, set[Feed]] = {}

    @contextmanager
    def watching(self, run_id: str) -> Iterator[Feed]:
        """Gives what is heard of a run, for as long as it is watched."""
        feed = Feed()
        watchers = self._watchers.setdefault(run_id, set())
        watchers.add(feed)
        try:
            yield feed
        finally:
            watchers.discard(feed)
            if not watchers and self._watchers.get(run_id) is watchers:
                del self._watchers[run_id]

    def announce(self, news: Mapping[str, Sequence[EventRecord]]) -> None:
        """Tells the watchers of runs what was committed."""
        if news and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, news)

    def _tell(self, news: Mapping[str, Sequence[EventRecord]]) -> None:
        for run_id, events in news.items():
            for feed in self._watchers.get(run_id, ()):
                feed.put(events)
