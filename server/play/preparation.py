"""Makes a run's models ready, and reports about once a second how far it is."""

import asyncio
import time
from dataclasses import asdict

from server.errors import ModelUnavailableError
from server.models.chat import Preparation
from server.play.ports import ModelSource, RunStore
from server.store.records import RunRecord, RunState

_REPORT_INTERVAL_S = 1.0


class Preparations:
    """The preparations under way, each of which a pause may end."""

    def __init__(self, store: RunStore, models: ModelSource) -> None:
        self._store = store
        self._models = models
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def stop(self, run_id: str = "") -> None:
        """Ends the preparation of a run, or all of them; nothing of it is paid for."""
        for name, task in self._tasks.items():
            if run_id in ("", name):
                task.cancel()

    async def make_ready(self, run: RunRecord, *, checked: bool) -> bool:
        """Makes the models of a run ready; `False` if that was stopped.

        Args:
            run: The run.
            checked: Its participants have just been found able to play.

        Raises:
            ModelUnavailableError: A participant cannot play.
        """
        if checked and not self._models.to_prepare(run.league.participants):
            return True
        task = asyncio.create_task(self._make_ready(run, checked=checked))
        self._tasks[run.run_id] = task
        try:
            await asyncio.wait([task])
        finally:
            del self._tasks[run.run_id]
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if task.cancelled():
            return False
        task.result()
        return True

    async def _make_ready(self, run: RunRecord, *, checked: bool) -> None:
        # A pause that came before `stop` could find this preparation.
        if (await self._store.run(run.run_id)).state is not RunState.RUNNING:
            return
        # What was true when the run was created may have changed since its
        # server stopped: a key that is gone must not end as failed steps.
        if not checked and (problems := await self._models.check(run.league.participants)):
            raise ModelUnavailableError(problems)
        last = 0.0
        activity = ""
        waiting: set[asyncio.Task[None]] = set()

        def report(preparation: Preparation) -> None:
            nonlocal last, activity
            now = time.monotonic()
            finished = preparation.done >= preparation.total > 0
            if (
                preparation.activity == activity
                and not finished
                and now - last < _REPORT_INTERVAL_S
            ):
                return
            last, activity = now, preparation.activity
            task = asyncio.create_task(
                self._store.record_preparation(run.run_id, asdict(preparation))
            )
            waiting.add(task)
            task.add_done_callback(waiting.discard)

        await self._models.prepare(run.league.participants, report)
        await asyncio.gather(*waiting)
