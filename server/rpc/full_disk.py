"""A full disk as clients see it: runs that stand still say so, and changes are answered in time.

The state that is stored cannot say it, since nothing can be stored. Writes
wait for room, and then everything goes on by itself.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from server.errors import LeagueError, StoreFullError
from server.store.records import RunRecord, RunState
from server.store.store import Store

T = TypeVar("T")
_LOOK_S = 0.5
# Of the service whose changes they are: what refuses most of them is no full disk.
_log = logging.getLogger("server.rpc.run_service")


class FullDisk:
    """What a full disk changes in the answers of one server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._under_way: set[asyncio.Task[Any]] = set()

    def shown(self, run: RunRecord) -> RunRecord:
        """Returns a run as it is to be shown: one that would go on is paused while it cannot."""
        if self._store.problem and run.state in (RunState.PENDING, RunState.RUNNING):
            return replace(run, state=RunState.PAUSED, state_reason=self._store.problem)
        if self._store.problem and run.state is RunState.CANCELLING:
            return replace(run, state_reason=self._store.problem)
        return run

    async def bounded(self, change: Coroutine[Any, Any, T]) -> T:
        """Makes a change of a run, and does not wait for room on a full disk.

        A change that has begun is made to its end even if its caller goes away:
        a run that is stored and not played would be neither here nor there.

        Raises:
            StoreFullError: The disk is full. The message says whether the
                change is still made once there is room.
        """
        if self._store.problem:
            change.close()
            raise StoreFullError(f"{self._store.problem}; then ask again")
        task = asyncio.create_task(change)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        while not (await asyncio.wait({task}, timeout=_LOOK_S))[0]:
            if self._store.problem:
                raise StoreFullError(
                    f"{self._store.problem}; what was asked for may still take effect then, so "
                    "look at the runs before asking again",
                    pending=True,
                )
        return task.result()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        # Its caller has been told, or has gone: then this is all that is left of it.
        if isinstance(error, LeagueError):
            _log.info("a change of a run was refused", extra={"why": error.message})
        else:
            _log.error("a change of a run failed", exc_info=error)
