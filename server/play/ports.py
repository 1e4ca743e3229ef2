"""What playing a run needs from outside: models to ask, and a store to keep.

`server.models.registry.Models` and `server.store.store.Store` fill these ports.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from server.league.league import Budget, Participant
from server.league.schedule import StepKey
from server.models.chat import ChatModel, Report
from server.models.run_room import RunRoom
from server.settings import ModelSettings
from server.store.execution_records import ExecutionRecord, QuestionCaseRecord
from server.store.records import (
    CallRecord,
    Failure,
    MarkRecord,
    NewRun,
    RunRecord,
    RunState,
    StepRecord,
)
from server.store.reopening import Reopened


class ModelSource(Protocol):
    """Gives the models that participants are played by."""

    async def check(self, participants: Sequence[Participant]) -> Mapping[str, str]:
        """Returns why participants cannot play, by id; asks for nothing that is paid for."""

    def to_prepare(self, participants: Sequence[Participant]) -> list[str]:
        """Returns the models that `prepare` makes ready."""

    async def prepare(self, participants: Sequence[Participant], report: Report) -> None:
        """Makes ready what has to be made ready before the first call."""

    def price(self, provider: str, model: str) -> ModelSettings | None:
        """Returns what is known of a model's prices."""

    def chat_model(self, participant: Participant, room: RunRoom) -> ChatModel:
        """Returns a model with the participant's settings, in a run's room; after `prepare`."""


class RunStore(Protocol):
    """Keeps what a run produces; each method returns once it is on disk."""

    @property
    def problem(self) -> str:
        """Why writes wait, in one sentence; empty while they do not."""

    async def settled(self) -> None:
        """Waits until everything that was written so far is on disk."""

    def stop_waiting(self) -> None:
        """Gives up writes that wait for room on a full disk."""

    async def create_run(self, new: NewRun) -> tuple[RunRecord, bool]:
        """Creates a run, and says whether an earlier request had created it already."""

    async def run_of_request(self, new: NewRun) -> RunRecord | None:
        """Returns the run that the same request created before."""

    async def run(self, run_id: str) -> RunRecord:
        """Returns a run as it is now."""

    async def unfinished(self) -> list[str]:
        """Returns the ids of the runs that have to be gone on with, oldest first."""

    async def prompts(self, sha256: str) -> dict[str, str]:
        """Returns the prompts of a set."""

    async def set_state(
        self,
        run_id: str,
        state: RunState,
        *,
        reason: str = "",
        failure: Failure | None = None,
        only_from: frozenset[RunState] | None = None,
        budget: Budget | None = None,
    ) -> RunRecord:
        """Moves a run to a state, with its event."""

    async def record_call(self, run_id: str, call: CallRecord) -> None:
        """Keeps one call to a model."""

    async def finish_step(
        self,
        run_id: str,
        step: StepRecord,
        marks: tuple[MarkRecord, ...] = (),
        reply: CallRecord | None = None,
        *,
        last: bool = False,
        executions: Sequence[ExecutionRecord] = (),
        cases: Sequence[QuestionCaseRecord] = (),
    ) -> None:
        """Keeps how a step ended, with its last call, marks and event; the `last` ends the run.

        The executions that it took, and the cases of a question, come with it.
        """

    async def executions(self, run_id: str, round_: int | None = None) -> list[ExecutionRecord]:
        """Returns the executions of one round, or of all."""

    async def question_cases(
        self, run_id: str, round_: int | None = None
    ) -> list[QuestionCaseRecord]:
        """Returns the cases of one round's question, or of all, dropped ones included."""

    async def record_disputes(self, run_id: str, round_: int, numbers: Iterable[int]) -> None:
        """Keeps which cases of a round are disputed, in place of what was kept before."""

    async def disputes(self, run_id: str, round_: int | None = None) -> dict[int, frozenset[int]]:
        """Returns the numbers of the disputed cases by round, of one or of all.

        Rounds without are left out.
        """

    async def record_preparation(self, run_id: str, body: dict[str, Any]) -> None:
        """Keeps where the preparation of a run's models stands."""

    async def steps(self, run_id: str) -> list[StepRecord]:
        """Returns the finished steps of a run."""

    async def calls_of_open_steps(self, run_id: str) -> dict[StepKey, list[CallRecord]]:
        """Returns the calls of steps that have not finished, in order of asking."""

    async def earlier_askings(self, run_id: str) -> dict[StepKey, int]:
        """Returns how often open steps had been asked before they were opened again."""

    async def succeed(self, run_id: str) -> RunRecord:
        """Ends a run as succeeded, unless it has ended or steps of it are open."""

    async def reopen(self, run_id: str, budget: Budget | None = None) -> Reopened:
        """Opens the failed steps of a run again, and sets it going."""

    async def set_limits(
        self, run_id: str, budget: Budget | None, max_concurrent_calls: int | None
    ) -> RunRecord:
        """Changes the limits of a run, with its event; `None` leaves one as it is."""
