"""All runs of a server: creates, plays, pauses, resumes and cancels them.

The state in the store decides; the tasks here only follow it. After a restart
`take_up` goes on with whatever the store says is not finished.
"""

import asyncio
import logging
from dataclasses import replace

from sandbox.runner import Runner
from server.errors import (
    LeagueError,
    ModelUnavailableError,
    NotPlayingError,
    SandboxUnavailableError,
    StoreError,
    WrongStateError,
)
from server.league.league import Budget, League
from server.league.prompts import PromptSet
from server.play.admission import admit, admit_budget, sandbox_problem
from server.play.arrivals import Arrivals
from server.play.failures import failure_of
from server.play.ledger import Amount
from server.play.player import Player
from server.play.ports import ModelSource, RunStore
from server.play.preparation import Preparations
from server.play.subject_choice import Subjects
from server.store.records import NewRun, RunRecord, RunState
from server.store.reopening import Reopened, refuse_to_reopen

_log = logging.getLogger(__name__)
_ACTIVE = frozenset({RunState.PENDING, RunState.RUNNING})
# A run that failed by a defect of ours has paid for all that it has: it must not be lost.
_RESUMED = frozenset({RunState.PAUSED, RunState.FAILED})


class Runs:
    """Plays the runs of one store.

    Args:
        store: Where they are kept.
        models: Who is asked.
        runner: Runs the programs of programming leagues.
        max_playing: Runs played at once; further ones wait in PENDING.
        max_waiting: Runs that may be playing or waiting before more are refused.
        playing: Whether runs are played at all.
    """

    def __init__(
        self,
        store: RunStore,
        models: ModelSource,
        runner: Runner,
        *,
        max_playing: int,
        max_waiting: int,
        playing: bool,
    ) -> None:
        self._store = store
        self._models = models
        self._runner = runner
        self._subjects = Subjects(store, runner)
        self._playing = playing
        self._places = asyncio.Semaphore(max_playing)
        self._players: dict[str, Player] = {}
        # The newest task of each run, and all that have not ended: a run that was
        # paused and resumed has an older one until its last calls have arrived.
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._all: set[asyncio.Task[None]] = set()
        self._preparations = Preparations(store, models)
        self._arrivals = Arrivals(max_waiting)
        self._limits = asyncio.Lock()
        self._closing = False

    async def take_up(self) -> int:
        """Goes on with the runs that are not finished, and returns how many they are."""
        if not self._playing:
            return 0
        unfinished = await self._store.unfinished()
        for run_id in unfinished:
            self._start(run_id, checked=False)
        return len(unfinished)

    async def create(self, new: NewRun) -> tuple[RunRecord, bool]:
        """Creates a run and plays it; says whether an earlier request had created it.

        Raises:
            NotPlayingError: This server plays nothing.
            TooManyRunsError: Too many runs wait already.
            ModelUnavailableError: A participant cannot play.
            SandboxUnavailableError: It needs the sandbox, which cannot run programs.
            LeagueError: The store refuses; see `Store.create_run`.
        """
        self._must_play()
        if new.request_id and (run := await self._store.run_of_request(new)) is not None:
            # Created before: what was true then need not be checked again.
            return run, True
        admit(new.league, self._models)
        with self._arrivals.place(new.request_id or new.run_id, len(self._tasks)):
            # To judge again takes no program to be run.
            if not new.source_run and (problem := await self.sandbox_problem(new.league)):
                raise SandboxUnavailableError(problem)
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
        self._preparations.stop(run_id)
        return run

    async def resume(self, run_id: str, budget: Budget | None) -> RunRecord:
        """Goes on with a run that is paused or failed, under another budget where one is given.

        Raises:
            NotFoundError: There is no such run.
            NotPlayingError: This server plays nothing.
            WrongStateError: The run is neither paused nor failed.
            ModelUnavailableError: A participant cannot play any more.
        """
        run = await self._standing(run_id)
        if run.state not in _RESUMED:
            why = "only a run that is paused or has failed can be resumed"
            raise WrongStateError(run.name, run.state, why)
        await self._check(run, budget)
        run = await self._store.set_state(
            run_id,
            RunState.RUNNING,
            reason="resumed",
            only_from=_RESUMED,
            budget=budget,
        )
        self._start(run_id)
        return run

    async def retry(self, run_id: str, budget: Budget | None) -> Reopened:
        """Asks the failed steps of a run again, under another budget where one is given.

        Raises:
            NotFoundError: There is no such run.
            NotPlayingError: This server plays nothing.
            WrongStateError: The run has neither succeeded nor is it paused.
            ModelUnavailableError: A participant cannot play any more.
        """
        run = await self._standing(run_id)
        refuse_to_reopen(run)
        await self._check(run, budget)
        reopened = await self._store.reopen(run_id, budget)
        if reopened.steps:
            self._start(run_id)
        return reopened

    async def update_limits(
        self, run_id: str, budget: Budget | None, max_concurrent_calls: int | None
    ) -> RunRecord:
        """Changes the limits of a run at once; `None` leaves one as it is.

        Raises:
            NotFoundError: There is no such run.
            WrongStateError: It has ended.
            InvalidRequestError: The budget could not be kept.
        """
        if budget is not None:
            admit_budget(
                replace((await self._store.run(run_id)).league, budget=budget), self._models
            )
        async with self._limits:
            run = await self._store.set_limits(run_id, budget, max_concurrent_calls)
            if player := self._players.get(run_id):
                player.set_limits(run.league.budget, run.league.max_concurrent_calls)
        return run

    async def sandbox_problem(self, league: League) -> str:
        """Says why a league's programs cannot be run here; empty if they can, or there are none."""
        return await sandbox_problem(league, self._runner)

    def reserved(self, run_id: str) -> Amount:
        """Returns the calls of a run under way, and what they may take at worst."""
        player = self._players.get(run_id)
        return Amount() if player is None else player.reserved

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
        # Nothing is paid for yet: no reason to wait for a download.
        self._preparations.stop()
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

    async def _standing(self, run_id: str) -> RunRecord:
        """Returns a run that is to be set going; it is paused if nobody plays it."""
        self._must_play()
        run = await self._store.run(run_id)
        if run.state in _ACTIVE and run_id not in self._tasks:
            # Its server was stopped or killed, and this one has not taken it up.
            run = await self._store.set_state(
                run_id,
                RunState.PAUSED,
                reason="its server had stopped",
                only_from=_ACTIVE | {RunState.PAUSED},
            )
        return run

    async def _check(self, run: RunRecord, budget: Budget | None) -> None:
        """Refuses what could not be played: a budget that cannot be kept, or a participant."""
        if budget is not None:
            admit_budget(replace(run.league, budget=budget), self._models)
        if problems := await self._models.check(run.league.participants):
            raise ModelUnavailableError(problems)

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
        if (run := await self._begin(run_id)) is None:
            return
        prompts = PromptSet(run.league.subject, await self._store.prompts(run.prompts_sha256))
        if not await self._preparations.make_ready(run, checked=checked):
            return
        while (player := await self._open_player(run, prompts)) is not None:
            try:
                finished = await player.play()
            finally:
                del self._players[run_id]
            # A pause or a cancellation that came with the last step finds it finished.
            if finished and not player.ended:
                await self._store.succeed(run_id)
            if finished:
                return
            if not player.eased and not await self._eased_or_paused(player, run_id):
                return
            # What has been used by now counts for the next player.
            run = await self._store.run(run_id)

    async def _begin(self, run_id: str) -> RunRecord | None:
        """Returns the run, which is RUNNING by now; `None` if it is not to be played."""
        if self._closing:
            return None
        try:
            return await self._store.set_state(run_id, RunState.RUNNING, only_from=_ACTIVE)
        except WrongStateError:
            if (await self._store.run(run_id)).state is RunState.CANCELLING:
                await self._cancelled(run_id)
            return None

    async def _eased_or_paused(self, player: Player, run_id: str) -> bool:
        """Writes why a run pauses, unless its budget was changed before that; says whether."""
        # Not where the run has been resumed with more in the meantime.
        if not player.pause_reason or self._tasks.get(run_id) is not asyncio.current_task():
            return False
        # A change that is being written by now has not found the player any more.
        async with self._limits:
            if player.eased_by((await self._store.run(run_id)).league.budget):
                return True
            await self._paused(run_id, player.pause_reason)
        return False

    async def _open_player(self, run: RunRecord, prompts: PromptSet) -> Player | None:
        """Returns the player of a run, known to all by now; `None` if it is not to be played."""
        run_id = run.run_id
        player = Player(run, prompts, self._store, self._models, self._subjects)
        self._players[run_id] = player
        opened = False
        try:
            # Read again now that it is known: a pause before would not have
            # found it, and a change of limits would have passed it by.
            async with self._limits:
                run = await self._store.run(run_id)
                player.set_limits(run.league.budget, run.league.max_concurrent_calls)
            opened = run.state is RunState.RUNNING and not self._closing
        finally:
            if not opened:
                del self._players[run_id]
        return player if opened else None

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
        failure = failure_of(error)
        try:
            if failure.reason == StoreError.reason:
                # Nothing is wrong with the run: it goes on once the store works. When
                # this server stops, it stays as it is, for the next one to take up.
                if not self._closing:
                    await self._paused(run_id, failure.message)
                return
            await self._store.set_state(
                run_id,
                RunState.FAILED,
                reason=f"{failure.message}; nothing is lost: runs.py resume {run_id} goes on",
                failure=failure,
            )
        except LeagueError:
            # The store is what failed: the run keeps its state and is taken up
            # by the next server, with nothing lost.
            _log.exception("failure could not be kept", extra={"run": run_id})
