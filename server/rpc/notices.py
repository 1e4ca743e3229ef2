"""Why a run stands still where no event says so, for those who watch it."""

import contextlib

from server.errors import StoreError
from server.models.registry import Models
from server.store.records import RunState
from server.store.store import Store


class Notices:
    """Tells of a database that cannot be written to, and of providers that asked to wait."""

    def __init__(self, store: Store, models: Models) -> None:
        """Creates the notices of one server.

        Args:
            store: Where the runs are.
            models: The providers.
        """
        self._store = store
        self._models = models

    async def of(self, run_id: str) -> str:
        """Returns why a run stands still, in one sentence; empty if nothing is known of it."""
        if self._store.problem:
            return self._store.problem
        holds = self._models.holds()
        if not holds:
            return ""
        with contextlib.suppress(StoreError):
            run = await self._store.run(run_id)
            if run.state is RunState.RUNNING:
                used = {participant.provider for participant in run.league.participants}
                return "; ".join(
                    f'provider "{name}" asked to wait until {hold.until:%H:%M:%S} UTC ({hold.why})'
                    for name, hold in holds.items()
                    if name in used
                )
        return ""
