"""Wakes those who watch a run when something of it has been committed.

A change carries nothing: whoever wakes reads the table of events from where it
stood. So no watcher can lose an event, however slow it is, and none holds up
the writer.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Changes:
    """Watchers by run. `announce` may be called from any thread, the rest on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watchers: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def watching(self, run_id: str) -> Iterator[asyncio.Event]:
        """Gives an event that is set when the run changes, for as long as it is watched."""
        event = asyncio.Event()
        watchers = self._watchers.setdefault(run_id, set())
        watchers.add(event)
        try:
            yield event
        finally:
            watchers.discard(event)
            if not watchers and self._watchers.get(run_id) is watchers:
                del self._watchers[run_id]

    def announce(self, run_ids: set[str]) -> None:
        """Wakes the watchers of the given runs."""
        if run_ids and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, run_ids)

    def _wake(self, run_ids: set[str]) -> None:
        for run_id in run_ids:
            for event in self._watchers.get(run_id, ()):
                event.set()
