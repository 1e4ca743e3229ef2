"""All runs of a server: creates, plays, pauses, resumes and cancels them.

The state in the store decides; the tasks here only follow it. After a restart
`take_up` goes on with whatever the store says is not finished.
"""

import asyncio
import logging
import time
from dataclasses import asdict, replace

from server.errors import (
    LeagueError,
    ModelUnavailableError,
    NotPlayingError,
    StoreError,
    TooManyRunsError,
    WrongStateError,
)
from server.league.league import Budget
from server.league.prompts import PromptSet
from server.models.chat import Preparation
from server.play.admission import admit
from server.play.player import Player
from server.play.ports import ModelSource, RunStore
from server.store.records import Failure, NewRun, RunRecord, RunState

_log = logging.getLogger(__name__)
_REPORT_INTERVAL_S = 1.0
_ACTIVE = frozenset({RunState.PENDING, RunState.RUNNING})


class Runs:
    """Plays the runs of one store.

    Args:
        store: Where they are kept.
        models: Who is asked.
        max_playing: Runs played at once; further ones wait in PENDING.
        max_waiting: Runs that may be playing or waiting before more are refused.
        playing: Whether runs are played at all.
    """

    def __init__(
        self,
        store: RunStore,
        models: ModelSource,
        *,
        max_playing: int,
        max_waiting: int,
        playing: bool,
    ) -> None:
        self._store = store
        self._models = models
        self._playing = playing
        self._max_waiting = max_waiting
        self._places = asyncio.Semaphore(max_playing)
        self._players: dict[str, Player] = {}
        # The newest task of each run, and all that have not ended: a run that was
        # paused and resumed has an older one until its last calls have arrived.
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._all: set[asyncio.Task[None]] = set()
        self._preparing: set[str] = set()
        self._closing = False

    async def take_up(self) -> int:
        """Goes on with the runs that are not finished, and returns how many they are."""
        if not self._playing:
            return 0
        runs = await self._store.unfinished()
        for run in runs:
            self._start(run.run_id, checked=False)
        return len(runs)

    async def create(self, new: NewRun) -> tuple[RunRecord, bool]:
        """Creates a run and plays it; says whether an earlier request had created it.

        Raises:
            NotPlayingError: This server plays nothing.
            TooManyRunsError: Too many runs wait already.
            ModelUnavailableError: A participant cannot play.
            LeagueError: The store refuses; see `Store.create_run`.
        """
        self._must_play()
        if new.request_id and (run := await self._store.run_of_request(new)) is not None:
            # Created before: what was true then need not be checked again.
            return run, True
        admit(new.league, self._models)
        if len(self._tasks) >= self._max_waiting:
            raise TooManyRunsError(
                f"{len(self._tasks)} runs are playing or waiting, which is this server's limit; "
                "try again when some have ended",
                limit=str(self._max_waiting),
            )
        if problems := await self._models.check(new.league.participants):
            raise ModelUnavailableError(problems)
        run, existed = await self._store.create_run(new)
        if not existed:
            self._start(run.run_id)
        return run, existed

    async def pause(self, run_id: str, reason: str = "paused on request") -> RunRecord:
        """Starts no further call of a run; those under way still arrive.

        Raises:
            NotFoundError: There is no such run.
            WrongStateError: It is finished or being cancelled.
        """
        run = await self._store.set_state(
            run_id, RunState.PAUSED, reason=reason, only_from=_ACTIVE | {RunState.PAUSED}
        )
        if player := self._players.get(run_id):
            player.stop(reason)
        return run

    async def resume(self, run_id: str, budget: Budget | None) -> RunRecord:
        """Goes on with a paused run, under another budget where one is given.

        Raises:
            NotFoundError: There is no such run.
            NotPlayingError: This server plays nothing.
            WrongStateError: The run is not paused.
            ModelUnavailableError: A participant cannot play any more.
        """
        self._must_play()
        run = await self._store.run(run_id)
        if run.state in _ACTIVE and run_id not in self._tasks:
            # Its server was stopped or killed, and this one has not taken it up.
            run = await self._store.set_state(
                run_id, RunState.PAUSED, reason="its server had stopped", only_from=_ACTIVE
            )
        if run.state is not RunState.PAUSED:
            raise WrongStateError(run.name, run.state, "only a paused run can be resumed")
        if budget is not None:
            admit(replace(run.league, budget=budget), self._models)
        if problems := await self._models.check(run.league.participants):
            raise ModelUnavailableError(problems)
        run = await self._store.set_state(
            run_id,
            RunState.RUNNING,
            reason="resumed",
            only_from=frozenset({RunState.PAUSED}),
            budget=budget,
        )
        self._start(run_id)
        return run

    async def cancel(self, run_id: str) -> RunRecord:
        """Stops a run for good. What it has produced stays.

        Raises:
            NotFoundError: There is no such run.
            WrongStateError: It is finished.
        """
        run = await self._store.set_state(
            run_id,
            RunState.CANCELLING,
            reason="cancelled on request",
            only_from=_ACTIVE | {RunState.PAUSED, RunState.CANCELLING},
        )
        task = self._tasks.get(run_id)
        if task is None or task.done():
            return await self._store.set_state(run_id, RunState.CANCELLED)
        if player := self._players.get(run_id):
            player.stop("cancelled")
        for each in self._all:
            if each.get_name() == task.get_name():
                each.cancel()
        return run

    async def drain(self, grace_s: float) -> None:
        """Stops playing: no further call, those under way have `grace_s` to arrive.

        The runs keep their state, so that the next server goes on with them.
        """
        self._closing = True
        for player in self._players.values():
            player.stop("the server stops")
        tasks = list(self._all)
        for run_id in self._preparing:
            # Nothing is paid for yet: no reason to wait for a download.
            self._tasks[run_id].cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
        # A disk that is full by now stays so: what waits for it is given up.
        self._store.stop_waiting()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _must_play(self) -> None:
        if not self._playing:
            raise NotPlayingError("this server was started with --no-play: it plays no run")

    def _start(self, run_id: str, *, checked: bool = True) -> None:
        """Plays a run; `checked` says that its participants have just been found able to."""
        before = self._tasks.get(run_id)
        work = self._play_after(before, run_id, checked=checked)
        task = asyncio.create_task(work, name=f"run {run_id}")
        self._tasks[run_id] = task
        self._all.add(task)
        task.add_done_callback(lambda done: self._forget(run_id, done))

    def _forget(self, run_id: str, done: asyncio.Task[None]) -> None:
        self._all.discard(done)
        if self._tasks.get(run_id) is done:
            del self._tasks[run_id]

    async def _play_after(
        self, before: asyncio.Task[None] | None, run_id: str, *, checked: bool
    ) -> None:
        """Plays a run, once the calls of its last playing have arrived."""
        try:
            if before is not None:
                await asyncio.wait([before])
            async with self._places:
                await self._play(run_id, checked=checked)
        except asyncio.CancelledError:
            if self._closing:
                raise
            if before is not None:
                # Nothing may come after the event that ends a run.
                await asyncio.wait([before])
            await self._cancelled(run_id)
        except ModelUnavailableError as error:
            # Nothing is lost, and what is missing may come back: resumed by hand.
            await self._paused(run_id, error.message)
        except Exception as error:  # noqa: BLE001
            # Whatever it was is ours, and the run says so instead of standing still.
            _log.exception("run failed", extra={"run": run_id})
            await self._failed(run_id, error)

    async def _play(self, run_id: str, *, checked: bool) -> None:
        run = await self._store.run(run_id)
        if run.state is RunState.CANCELLING:
            await self._cancelled(run_id)
            return
        if run.state not in _ACTIVE or self._closing:
            return
        if run.state is RunState.PENDING:
            run = await self._store.set_state(run_id, RunState.RUNNING, only_from=_ACTIVE)
        prompts = PromptSet(run.league.subject, await self._store.prompts(run.prompts_sha256))
        self._preparing.add(run_id)
        try:
            # What was true when the run was created may have changed since its
            # server stopped: a key that is gone must not end as failed steps.
            if not checked and (problems := await self._models.check(run.league.participants)):
                raise ModelUnavailableError(problems)
            await self._prepare(run)
        finally:
            self._preparing.discard(run_id)
        player = Player(run, prompts, self._store, self._models)
        self._players[run_id] = player
        try:
            # A pause may have come while the models were made ready.
            if (await self._store.run(run_id)).state is not RunState.RUNNING or self._closing:
                return
            finished = await player.play()
        finally:
            del self._players[run_id]
        if finished:
            await self._succeeded(run_id)
        elif player.budget_reason and self._tasks.get(run_id) is asyncio.current_task():
            # Not where the run has been resumed with more in the meantime.
            await self._paused(run_id, player.budget_reason)

    async def _prepare(self, run: RunRecord) -> None:
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

    async def _succeeded(self, run_id: str) -> None:
        # A pause or a cancellation that came with the last step finds it finished.
        finished_from = _ACTIVE | {RunState.PAUSED, RunState.CANCELLING}
        await self._store.set_state(run_id, RunState.SUCCEEDED, only_from=finished_from)

    async def _paused(self, run_id: str, reason: str) -> None:
        try:
            await self._store.set_state(
                run_id, RunState.PAUSED, reason=reason, only_from=_ACTIVE | {RunState.PAUSED}
            )
        except WrongStateError:
            _log.info("a pause came while the run was ending", extra={"run": run_id})

    async def _cancelled(self, run_id: str) -> None:
        await self._store.set_state(run_id, RunState.CANCELLED, reason="cancelled on request")

    async def _failed(self, run_id: str, error: BaseException) -> None:
        failure = _failure(error)
        try:
            if failure.reason == StoreError.reason:
                # Nothing is wrong with the run: it goes on once the store works.
                await self._paused(run_id, failure.message)
                return
            await self._store.set_state(
                run_id, RunState.FAILED, reason=failure.message, failure=failure
            )
        except LeagueError:
            # The store is what failed: the run keeps its state and is taken up
            # by the next server, with nothing lost.
            _log.exception("failure could not be kept", extra={"run": run_id})


def _failure(error: BaseException) -> Failure:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, LeagueError):
        return Failure(reason=error.reason, message=error.message, metadata=error.metadata)
    return Failure(
        reason="INTERNAL",
        message=f"the server failed ({type(error).__name__}); its log says more",
    )
