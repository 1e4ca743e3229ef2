"""The models of this machine as endpoints: fetched, started and kept running as asked for."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from server.models.chat import Preparation, Report
from server.models.endpoints import LocalModelInfo
from server.models.local.catalogue import LocalModel, known_models
from server.models.local.child import Child, Engine
from server.models.local.errors import LocalModelError
from server.models.local.fetch import WAY_OUT, fetch, is_ready, weights_path
from server.models.local.machine import engine_problem
from server.settings import LocalSettings, resolve

_log = logging.getLogger(__name__)

# More deaths in that time are no accident: the machine lacks memory, for instance.
_RESTARTS = 3
_RESTARTS_WITHIN_S = 600.0
_STOPPING = "the server is stopping and starts no model"


class LocalLeague:
    """Serves the models of the catalogue on this machine, one child process each.

    One process a model, so that one that crashes takes no other with it.
    """

    def __init__(
        self,
        settings: LocalSettings,
        *,
        models: Mapping[str, LocalModel] | None = None,
        engine: Engine | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares nothing yet.

        Args:
            settings: Cache, hub and threads.
            models: The models by name; those of the catalogue if `None`.
            engine: How they are served; the real engine if `None`.
            clock: Seconds that only grow.
        """
        self._cache: Path = resolve(settings.cache)
        self._hub = settings.hub
        self._models = known_models() if models is None else models
        self._engine = engine or Engine(threads=settings.threads)
        self._own_engine = engine is None
        self._clock = clock
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._lock = asyncio.Lock()
        self._closed = False

    def problem(self, model: str) -> str:
        """Says in one sentence why the model cannot be had; empty if it can."""
        if model not in self._models:
            return f"there is no local model {model!r}; there are {', '.join(self._models)}"
        return engine_problem() if self._own_engine else ""

    def catalogue(self) -> Sequence[LocalModelInfo]:
        """Returns the models that can be had."""
        return [
            LocalModelInfo(
                name=model.name,
                license=model.license,
                size_bytes=model.size_bytes,
                ready=is_ready(model, self._cache),
            )
            for model in self._models.values()
        ]

    async def ensure(self, models: Sequence[str], report: Report) -> Mapping[str, str]:
        """Fetches and starts the models; returns the base URL of each, with `/v1`.

        What runs already is left alone, and what has died is started again. It
        can be cancelled, and called by several at once.

        Args:
            models: Names; one that comes twice is served once.
            report: Hears how far it is.

        Raises:
            LocalModelError: One of the models cannot be had.
        """
        wanted = tuple(dict.fromkeys(models))
        self._refuse(wanted)
        if not all(self._runs(name) for name in wanted):
            if self._lock.locked():
                report(
                    Preparation(
                        activity="waiting for the models of another run",
                        done=0,
                        total=len(wanted),
                        unit="models",
                    )
                )
            async with self._lock:
                await self._start(wanted, report)
        return {name: self._children[name].base_url for name in wanted}

    async def close(self) -> None:
        """Stops what was started; nothing can be started any more."""
        self._closed = True
        children = list(self._children.values())
        keepers = list(self._keepers.values())
        self._children.clear()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await asyncio.gather(*(child.stop() for child in children))

    def _refuse(self, names: Sequence[str]) -> None:
        for name in names:
            if self._closed:
                raise LocalModelError(name, _STOPPING)
            if problem := self.problem(name):
                raise LocalModelError(name, f"{problem}. {WAY_OUT}")

    def _runs(self, name: str) -> bool:
        child = self._children.get(name)
        return child is not None and child.alive

    async def _start(self, names: Sequence[str], report: Report) -> None:
        missing = [name for name in names if not self._runs(name)]
        # All weights first: it is the part that can fail for want of a
        # network, and nothing should be running by then.
        for name in missing:
            await fetch(self._models[name], self._cache, self._hub, report)
        for done, name in enumerate(missing):
            report(
                Preparation(
                    activity=f"starting {name}", done=done, total=len(missing), unit="models"
                )
            )
            await self._start_one(name)
        report(
            Preparation(
                activity="local models are ready",
                done=len(missing),
                total=len(missing),
                unit="models",
            )
        )

    async def _start_one(self, name: str) -> None:
        dead = self._children.pop(name, None)
        if dead is not None:
            await dead.stop()
        child = await Child.start(
            name,
            weights_path(self._models[name], self._cache),
            self._engine,
            # Runs under way know the old address.
            port=dead.port if dead is not None else 0,
        )
        if self._closed:
            # `close` ran meanwhile and did not know this one.
            await child.stop()
            raise LocalModelError(name, _STOPPING)
        self._children[name] = child
        if name not in self._keepers:
            self._keepers[name] = asyncio.create_task(self._keep(name))

    async def _keep(self, name: str) -> None:
        """Starts a model again when its process dies, unless it dies again and again."""
        deaths: deque[float] = deque(maxlen=_RESTARTS + 1)
        try:
            while True:
                status = await self._children[name].ended()
                if self._closed:
                    return
                _log.warning("a local model died", extra={"model": name, "status": status})
                deaths.append(self._clock())
                if len(deaths) > _RESTARTS and deaths[-1] - deaths[0] < _RESTARTS_WITHIN_S:
                    _log.warning("a local model is given up", extra={"model": name})
                    return
                async with self._lock:
                    if not self._runs(name):
                        await self._start_one(name)
        except LocalModelError as error:
            # The next `ensure` tries once more and says so to whoever asked.
            _log.warning("a local model is lost", extra={"model": name, "why": error.message})
        finally:
            self._keepers.pop(name, None)
