"""No schedule of replies overruns a budget, and what was reserved is given back."""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from server.errors import StoreError
from server.league.league import Budget
from server.league.outcome import Outcome
from server.league.schedule import Role, StepKey
from server.models.chat import Attempt, CallRefused, Usage
from server.play.gate import Gate
from server.play.ledger import Amount, Ledger
from server.play.ports import RunStore
from server.store.records import CallRecord, Progress, utc_now
from tests.support.scripted_chat import request

TURNS = 4
"""Turns of the loop that let every task that can go on do so."""


@dataclass(frozen=True)
class Call:
    """One call: its worst case, what comes of it, and when its reply is let go."""

    prompt: int
    completion: int
    dollars: float
    ending: str
    share: float
    turn: int

    def attempt(self) -> Attempt:
        """Returns what came back."""
        known = self.ending in {"known", "truncated"}
        usage = Usage()
        if known:
            usage = Usage(
                prompt_tokens=int(self.prompt * self.share),
                completion_tokens=int(self.completion * self.share),
            )
        elif self.ending == "half known":
            usage = Usage(completion_tokens=1)
        elif self.ending in {"cut", "cancelled"}:
            # The usage so far, as some endpoints tell it with every piece.
            usage = Usage(prompt_tokens=int(self.prompt * self.share), completion_tokens=0)
        return Attempt(
            attempt=0,
            outcome={
                "truncated": Outcome.TRUNCATED,
                "refused": Outcome.UNAVAILABLE,
                "gave up": Outcome.UNAVAILABLE,
                "cut": Outcome.UNAVAILABLE,
                "unreachable": Outcome.UNAVAILABLE,
                "cancelled": Outcome.UNAVAILABLE,
                "store fails": Outcome.UNAVAILABLE,
            }.get(self.ending, Outcome.OK),
            cause=self.ending,
            http_status={"refused": 503, "gave up": 504, "unreachable": None}.get(self.ending, 200),
            usage=usage,
            cost_usd=self.dollars * self.share if usage.prompt_tokens is not None else None,
            started_at=utc_now(),
        )

    @property
    def tokens(self) -> int:
        """What the provider may have counted: all, unless it said otherwise."""
        if self.ending in {"refused", "unreachable"}:
            return 0
        if self.ending in {"known", "truncated"}:
            return int(self.prompt * self.share) + int(self.completion * self.share)
        return self.prompt + self.completion


ENDINGS = (
    "known", "truncated", "unknown", "half known", "refused", "gave up", "cut", "unreachable",
)  # fmt: skip
CALLS = st.lists(
    st.builds(
        Call,
        prompt=st.integers(0, 500),
        completion=st.integers(0, 500),
        dollars=st.floats(0, 1),
        ending=st.sampled_from([*ENDINGS, "cancelled", "store fails"]),
        share=st.floats(0, 1),
        turn=st.integers(0, 30),
    ),
    max_size=30,
)
BUDGETS = st.builds(
    Budget,
    max_calls=st.none() | st.integers(0, 30),
    max_tokens=st.none() | st.integers(0, 6000),
    max_cost_usd=st.none() | st.floats(0, 8),
)


class _Kept:
    """Keeps records, or fails at it."""

    def __init__(self) -> None:
        self.records: list[CallRecord] = []

    async def record_call(self, _: str, record: CallRecord) -> None:
        await asyncio.sleep(0)
        if record.key.participant == "store fails":
            raise StoreError("the disk is gone")
        self.records.append(record)


def _excess(budget: Budget, amount: Amount) -> bool:
    return (
        (budget.max_calls is not None and amount.calls > budget.max_calls)
        or (budget.max_tokens is not None and amount.tokens > budget.max_tokens)
        or (budget.max_cost_usd is not None and amount.cost_usd > budget.max_cost_usd + 1e-6)
    )


class _Schedule:
    """Calls that go out as the ledger lets them, and come back in turns."""

    def __init__(self, budget: Budget, calls: list[Call]) -> None:
        self.budget = budget
        self.calls = calls
        self.ledger = Ledger(budget, Progress())
        self.store = _Kept()
        self.arrived: dict[StepKey, CallRecord] = {}
        self.stopped = ""
        self.sent = 0
        self.tokens = 0

    async def play(self) -> None:
        """Plays all calls to their ends, and looks at the sums in every turn."""
        replies = [asyncio.Event() for _ in self.calls]
        tasks = [
            asyncio.create_task(self._call(number, call, replies[number]))
            for number, call in enumerate(self.calls)
        ]
        for turn in range(32):
            for number, call in enumerate(self.calls):
                if call.turn == turn:
                    replies[number].set()
                    if call.ending == "cancelled":
                        tasks[number].cancel()
            for _ in range(TURNS):
                await asyncio.sleep(0)
                assert not _excess(self.budget, self.ledger.used + self.ledger.reserved)
        # All replies have come, so whoever still waited has got its answer.
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _call(self, number: int, call: Call, replied: asyncio.Event) -> None:
        gate = Gate(
            cast("RunStore", self.store),
            self.ledger,
            run_id="math-1",
            key=StepKey(number + 1, Role.ANSWER, call.ending),
            ask=0,
            request=request(),
            stopping=lambda: self.stopped,
            under_way=lambda _: None,
            ended=lambda: None,
            arrived=self.arrived,
        )
        await gate.before(
            prompt_tokens=call.prompt, completion_tokens=call.completion, cost_usd=call.dollars
        )
        try:
            # Some wait for a place, as at a provider that has no more.
            for _ in range(call.prompt % 7):
                await asyncio.sleep(0)
            await gate.begin()
        finally:
            gate.release()
        self.sent += 1
        self.tokens += call.tokens
        try:
            await replied.wait()
        finally:
            # Cut or cancelled, the call has been made and is kept.
            attempt = call.attempt()
            if attempt.outcome is Outcome.OK:
                gate.replied(attempt)
            else:
                await gate.failed(attempt)


@given(budget=BUDGETS, calls=CALLS)
def test_no_schedule_of_replies_overruns_a_budget(budget: Budget, calls: list[Call]) -> None:
    schedule = _Schedule(budget, calls)
    asyncio.run(schedule.play())
    used = schedule.ledger.used
    assert schedule.ledger.reserved == Amount()
    assert used.calls == schedule.sent
    assert used.tokens >= schedule.tokens
    assert not _excess(budget, used)
    # What is kept with the calls is what a restart counts them with.
    kept = [*schedule.store.records, *schedule.arrived.values()]
    failed = [c for c in calls if c.ending == "store fails"]
    if not failed:
        assert sum(record.charged_tokens for record in kept) == used.tokens
        assert abs(sum(record.charged_cost_usd for record in kept) - used.cost_usd) < 1e-6


@given(calls=CALLS, stop=st.integers(0, 30))
def test_a_stopped_run_gives_everything_back(calls: list[Call], stop: int) -> None:
    schedule = _Schedule(Budget(max_calls=len(calls) // 2), calls)

    async def play() -> None:
        playing = asyncio.create_task(schedule.play())
        for _ in range(stop * TURNS):
            await asyncio.sleep(0)
        schedule.stopped = "paused on request"
        await playing

    asyncio.run(play())
    assert schedule.ledger.reserved == Amount()


async def _goes(ledger: Ledger, worst: Amount) -> "asyncio.Task[Any]":
    task = asyncio.create_task(ledger.reserve(worst))
    for _ in range(TURNS):
        await asyncio.sleep(0)
    return task


async def test_a_larger_budget_lets_waiting_calls_go() -> None:
    ledger = Ledger(Budget(max_tokens=100), Progress())
    await ledger.reserve(Amount(1, 80, 0.0))
    waiting = [await _goes(ledger, Amount(1, 30, 0.0)) for _ in range(3)]
    assert not any(task.done() for task in waiting)
    ledger.set_budget(Budget(max_tokens=145))
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    # Two of the three fit, the first two in the queue.
    assert [task.done() for task in waiting] == [True, True, False]
    ledger.set_budget(Budget())
    await waiting[2]
    assert ledger.reserved == Amount(4, 170, 0.0)


async def test_a_smaller_budget_holds_from_the_next_call() -> None:
    ledger = Ledger(Budget(max_calls=10), Progress())
    for _ in range(3):
        await ledger.reserve(Amount(1))
    ledger.set_budget(Budget(max_calls=2))
    waiting = await _goes(ledger, Amount(1))
    assert not waiting.done()
    for _ in range(2):
        ledger.settle(Amount(1), Amount(1))
    for _ in range(TURNS):
        await asyncio.sleep(0)
    # Two calls are charged, so the next cannot fit any more.
    assert isinstance(waiting.exception(), CallRefused)
    assert "2 calls" in str(waiting.exception())


async def test_a_ledger_begins_with_what_was_charged() -> None:
    progress = Progress(calls=3, prompt_tokens=1, completion_tokens=1, charged_tokens=90)
    ledger = Ledger(Budget(max_tokens=100), progress)
    assert ledger.used == Amount(3, 90, 0.0)
    waiting = await _goes(ledger, Amount(1, 11, 0.0))
    assert "90" in str(waiting.exception())
