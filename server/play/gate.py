"""The gate of one asking: budget before a call, the record after it.

A failed call is on disk before the gate lets go of it. A reply waits in memory
for the moment that reading it takes, so that it goes to disk in one transaction
with the step that it finishes; whatever else comes next writes it first.
"""

from collections.abc import Callable, MutableMapping

from server.league.outcome import Outcome
from server.league.schedule import StepKey
from server.models.chat import Attempt, CallRefused, ChatRequest
from server.play.ledger import Amount, Ledger, charged
from server.play.ports import RunStore
from server.play.requests import as_kept
from server.store.records import CallRecord


class Gate:
    """Fills `CallGate`: refuses calls once the run stops, and keeps every attempt."""

    def __init__(
        self,
        store: RunStore,
        ledger: Ledger,
        *,
        run_id: str,
        key: StepKey,
        ask: int,
        request: ChatRequest,
        stopping: Callable[[], str],
        under_way: Callable[[bool], None],
        ended: Callable[[], None],
        arrived: MutableMapping[StepKey, CallRecord],
    ) -> None:
        """Creates the gate.

        Args:
            store: Where attempts are kept.
            ledger: What the run may use.
            run_id: The run.
            key: The step.
            ask: Number of the asking, from 0.
            request: What is asked, kept with every attempt.
            stopping: Returns why no further call may be sent; empty if it may.
            under_way: Hears when a call goes out and when it has come back.
            ended: Hears of every attempt that was kept.
            arrived: Replies that have arrived and are not on disk yet, by step.
        """
        self._store = store
        self._ledger = ledger
        self._run_id = run_id
        self._key = key
        self._ask = ask
        self._stopping = stopping
        self._under_way = under_way
        self._ended = ended
        self._arrived = arrived
        self._worst = Amount()
        self._waiting = False
        self._request = request

    async def before(
        self, *, prompt_tokens: int, completion_tokens: int, cost_usd: float | None
    ) -> None:
        """Reserves the worst case of one call, which may be cancelled until it begins.

        Raises:
            CallRefused: The budget is reached.
        """
        worst = Amount(1, prompt_tokens + completion_tokens, cost_usd or 0.0)
        await self._ledger.reserve(worst)
        self._worst = worst
        self._waiting = True

    async def begin(self) -> None:
        """Marks the call as under way.

        Raises:
            CallRefused: The run stops.
            StoreError: What was asked for before cannot be kept.
        """
        if self._store.problem:
            # What is asked for now could not be kept, and is paid for all the same.
            await self._store.settled()
        # Asked last: the waits for the budget and a place may have been long.
        if reason := self._stopping():
            raise CallRefused(reason)
        self._waiting = False
        self._under_way(True)  # noqa: FBT003 - a callback of one flag

    def release(self) -> None:
        """Gives back what is reserved for a call that has not begun."""
        if self._waiting:
            self._waiting = False
            self._ledger.give_back(self._worst)

    def replied(self, attempt: Attempt) -> None:
        """Takes a reply to be read and gives back what was reserved for the call."""
        took = charged(self._worst, attempt)
        self._arrived[self._key] = self._record(attempt, took)
        self._settle(took)
        self._ended()

    async def failed(self, attempt: Attempt) -> None:
        """Keeps an attempt that is not OK and gives back what was reserved for it.

        Raises:
            CallRefused: The call failed and the run stops: no retry.
        """
        took = charged(self._worst, attempt)
        try:
            await self._store.record_call(self._run_id, self._record(attempt, took))
        finally:
            self._settle(took)
        self._ended()
        if attempt.outcome is Outcome.UNAVAILABLE and (reason := self._stopping()):
            raise CallRefused(reason)

    def _settle(self, took: Amount) -> None:
        self._ledger.settle(self._worst, took)
        self._under_way(False)  # noqa: FBT003

    def _record(self, attempt: Attempt, took: Amount) -> CallRecord:
        usage = attempt.usage
        return CallRecord(
            key=self._key,
            ask=self._ask,
            attempt=attempt.attempt,
            outcome=attempt.outcome,
            cause=attempt.cause,
            detail=attempt.detail,
            http_status=attempt.http_status,
            finish_reason=attempt.finish_reason,
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            completion_tokens=usage.completion_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost_usd=attempt.cost_usd,
            latency_s=attempt.latency_s,
            first_token_s=attempt.first_token_s,
            started_at=attempt.started_at,
            served_model=attempt.served_model,
            response_format=attempt.response_format,
            request_sha256=attempt.request_sha256,
            prompt=as_kept(self._request),
            raw_reply=attempt.text,
            charged_tokens=took.tokens,
            charged_cost_usd=took.cost_usd,
        )


async def write_arrived(
    store: RunStore, run_id: str, key: StepKey, arrived: MutableMapping[StepKey, CallRecord]
) -> None:
    """Writes the reply of a step that arrived and is not on disk, if there is one."""
    # Taken before it is written: a write that has been asked for is done even
    # where its caller is cancelled, and must not be asked for twice.
    record = arrived.pop(key, None)
    if record is not None:
        await store.record_call(run_id, record)
