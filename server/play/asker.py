"""Asks for the steps of one run: who may be asked, within which limits, and until when."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from server.league.league import Budget
from server.league.outcome import Outcome
from server.league.prompts import PromptSet
from server.league.reading import Unreadable
from server.league.schedule import StepKey
from server.models.chat import CallGate, CallRefused, ChatModel, ChatRequest
from server.models.pacing import Pacer
from server.models.run_room import RunRoom
from server.play.asking import Asked, ask_until_read
from server.play.gate import Gate, write_arrived
from server.play.ledger import Amount, BudgetReachedError, Ledger
from server.play.outage import Outages
from server.play.ports import ModelSource, RunStore
from server.store.records import CallRecord, RunRecord

T = TypeVar("T")


@dataclass(frozen=True)
class StepAsked(Generic[T]):
    """How asking for a step ended, and the calls and askings that it took in all."""

    asked: Asked[T]
    calls: int
    asks: int = 0

    @property
    def value(self) -> T | None:
        """What was read; `None` unless the outcome is OK."""
        return self.asked.value


@dataclass(eq=False)
class _Asking:
    """One step's asking; it may be cancelled only while no call is under way."""

    calls: int
    task: asyncio.Task[Any] | None = None
    under_way: bool = False

    def set_under_way(self, flag: bool) -> None:
        self.under_way = flag

    def add_call(self) -> None:
        self.calls += 1


class Asker:
    """Asks for the steps of one run until it is stopped.

    Attributes:
        pause_reason: Why the run has to pause, in one sentence: its budget is
            reached, a provider wants money or is out. Empty if it has not.
        eased: The budget that was reached has been changed since.
        arrived: Replies that have arrived and are not on disk yet, by step.
        stopping: Set once no further call is started.
    """

    def __init__(
        self, run: RunRecord, prompts: PromptSet, store: RunStore, models: ModelSource
    ) -> None:
        self._run_id = run.run_id
        self._league = run.league
        self._prompts = prompts
        self._store = store
        self._models = models
        self._budget = run.league.budget
        self._ledger = Ledger(run.league.budget, run.progress)
        most = run.league.max_concurrent_calls
        self._room = RunRoom(most)
        # Calls that are made ready, of each participant: one that a slow provider or a
        # pause before a retry holds up must not keep those of others from being sent.
        self._ready = {p.id: Pacer(max_concurrent=most) for p in run.league.participants}
        self._outages = Outages(run.league.participants)
        self._chat: dict[str, ChatModel] = {}
        self._history: Mapping[StepKey, Sequence[CallRecord]] = {}
        self._first_asks: Mapping[StepKey, int] = {}
        self._given_up: dict[str, tuple[str, str]] = {}
        self._askings: set[_Asking] = set()
        self._stop_reason = ""
        self._budget_reached = False
        self.pause_reason = ""
        self.eased = False
        self.arrived: dict[StepKey, CallRecord] = {}
        self.stopping = asyncio.Event()

    @property
    def reserved(self) -> Amount:
        """The calls under way, and what they may take at worst."""
        return self._ledger.reserved

    def open(self) -> None:
        """Takes the participants' models, which are ready by now."""
        self._chat = {
            p.id: self._models.chat_model(p, self._room) for p in self._league.participants
        }

    async def take_up(self) -> None:
        """Takes up what is on record of the steps to ask for."""
        self._history, self._first_asks = await asyncio.gather(
            self._store.calls_of_open_steps(self._run_id),
            self._store.earlier_askings(self._run_id),
        )

    def on_record(self, key: StepKey) -> Mapping[int, CallRecord]:
        """Returns the last call of each asking of a step that was made before a restart.

        Askings are numbered from 0; those before the step was asked once more do not count.
        """
        first = self._first_asks.get(key, 0)
        return {call.ask - first: call for call in self._history.get(key, ()) if call.ask >= first}

    @property
    def stopped(self) -> bool:
        """No further call is started."""
        return self.stopping.is_set()

    def follow(self, participants: Collection[str]) -> None:
        """Looks for outages among these participants: the others have nothing left to do."""
        self._outages = Outages([p for p in self._league.participants if p.id in participants])

    def stop(self, reason: str) -> None:
        """Starts no further call. Those under way still arrive and are kept."""
        self._stop_reason = self._stop_reason or reason
        self.stopping.set()
        for asking in self._askings:
            if asking.task is not None and not asking.under_way:
                asking.task.cancel()

    def set_limits(self, budget: Budget, max_concurrent_calls: int) -> None:
        """Changes the limits at once; calls under way stay."""
        self._budget = budget
        self._ledger.set_budget(budget)
        self._room.set_max(max_concurrent_calls)
        for ready in self._ready.values():
            ready.set_limits(max_concurrent=max_concurrent_calls)
        self.eased = self._budget_reached

    def eased_by(self, budget: Budget) -> bool:
        """Says whether the budget was reached, and `budget` is another one."""
        return self._budget_reached and budget != self._budget

    async def ask(
        self,
        key: StepKey,
        request: ChatRequest,
        read: Callable[[str], T | Unreadable],
        *,
        before: StepAsked[Any] | None = None,
    ) -> StepAsked[T] | None:
        """Asks for a step; `None` when the run stops before there is an outcome.

        Args:
            key: The step.
            request: What to ask.
            read: Reads the reply.
            before: How the same step was asked for before, where what was read has
                to be mended by its author.
        """
        if self._stop_reason:
            # Before all else: a participant that was given up may be asked again by now.
            return None
        calls = before.calls if before is not None else len(self._history.get(key, ()))
        if key.participant in self._given_up:
            return self._unasked(key, calls)
        asks = before.asks if before is not None else 0
        asking = _Asking(calls)
        asking.task = asyncio.create_task(self._ask_in_turn(key, request, read, asking, asks))
        self._askings.add(asking)
        try:
            asked = await self._ended(key, asking.task)
        except CallRefused:
            given_up = key.participant in self._given_up and not self._stop_reason
            return self._unasked(key, asking.calls) if given_up else None
        finally:
            self._askings.discard(asking)
        if asked is None or not self._goes_on(key.participant, asked):
            return None
        return StepAsked(asked, asking.calls, asks + asked.reasks + 1)

    async def _ended(self, key: StepKey, task: asyncio.Task[Asked[T]]) -> Asked[T] | None:
        """Returns how an asking ended; `None` if it was stopped.

        Raises:
            CallRefused: No call may be sent.
        """
        try:
            await asyncio.wait([task])
            if task.cancelled():
                await self.keep(key)
                return None
            return task.result()
        except asyncio.CancelledError:
            # The call under way is recorded before the cancellation goes on.
            task.cancel()
            # What became of it is of no more interest, the cancellation is.
            await asyncio.gather(task, return_exceptions=True)
            await self.keep(key)
            raise
        except BudgetReachedError as reached:
            self._budget_reached = self._budget_reached or not self._stop_reason
            self.pause(str(reached))
            return None

    def _unasked(self, key: StepKey, calls: int) -> StepAsked[Any]:
        """Returns the end of a step of a participant that has been given up."""
        cause, detail = self._given_up[key.participant]
        return StepAsked(Asked(outcome=Outcome.UNAVAILABLE, cause=cause, detail=detail), calls)

    def _no_call_to(self, participant_id: str) -> str:
        """Returns why a participant may not be called; empty if it may."""
        _, given_up = self._given_up.get(participant_id, ("", ""))
        return self._stop_reason or given_up

    async def keep(self, key: StepKey) -> None:
        """Puts the reply of a step on disk, if it has arrived and is not there yet."""
        await write_arrived(self._store, self._run_id, key, self.arrived)

    def _goes_on(self, participant_id: str, asked: Asked[Any]) -> bool:
        """Draws the consequences for the run, and says whether the step has ended."""
        participant = self._league.participant(participant_id)
        if asked.cause == "quota_exhausted":
            # Whoever pays can mend it, so the step stays open.
            self.pause(
                f'provider "{participant.provider}": {asked.detail}; top it up, then resume the '
                f"run: runs.py resume {self._run_id}"
            )
            return False
        if asked.fatal:
            self._given_up[participant_id] = (asked.cause, asked.detail)
            self._outages.drop(participant)
        reason = self._outages.ended(participant, asked.outcome, asked.cause, asked.detail)
        if reason:
            self.pause(
                f"{reason}; when it is back, resume the run: runs.py resume {self._run_id}, and "
                f"then ask the failed steps again: runs.py retry {self._run_id}"
            )
        # A run that stops tries a failed call no more, and so has not come to an end of it.
        return not self._stop_reason or asked.outcome is not Outcome.UNAVAILABLE or asked.fatal

    def pause(self, reason: str) -> None:
        """Pauses the run, with the reason in one sentence."""
        self.pause_reason = self.pause_reason or reason
        self.stop(reason)

    async def _ask_in_turn(
        self,
        key: StepKey,
        request: ChatRequest,
        read: Callable[[str], T | Unreadable],
        asking: _Asking,
        asks: int,
    ) -> Asked[T]:
        def gate_for(ask: int, asked: ChatRequest) -> CallGate:
            return Gate(
                self._store,
                self._ledger,
                run_id=self._run_id,
                key=key,
                ask=ask,
                request=asked,
                stopping=lambda: self._no_call_to(key.participant),
                under_way=asking.set_under_way,
                ended=asking.add_call,
                arrived=self.arrived,
            )

        async with self._ready[key.participant].place(request.priority, 0):
            return await ask_until_read(
                self._chat[key.participant],
                request,
                read,
                prompts=self._prompts,
                max_reasks=self._league.max_reasks,
                gate_for=gate_for,
                keep=lambda: self.keep(key),
                history=self._history.get(key, ()),
                first_ask=self._first_asks.get(key, 0) + asks,
            )
