"""Runs take turns at a provider, and its limits may change while calls wait."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from server.models.pacing import WINDOW_S, Pacer
from tests.support.scripted_chat import Clock

RUNS = "abc"


class Calls:
    """Calls that take places and give them back when they are told to.

    Attributes:
        went: The runs whose calls went, in order, with their priorities.
    """

    def __init__(self, pacer: Pacer) -> None:
        self.pacer = pacer
        self.went: list[tuple[str, int]] = []
        self._end: list[asyncio.Event] = []

    def ask(self, run: str, priority: int = 0, tokens: int = 1) -> asyncio.Task[None]:
        """Asks for a place."""
        return asyncio.create_task(self._call(run, priority, tokens))

    async def _call(self, run: str, priority: int, tokens: int) -> None:
        ended = asyncio.Event()
        async with self.pacer.place((priority, 0), tokens, run) as place:
            place.sent()
            self.went.append((run, priority))
            self._end.append(ended)
            await ended.wait()

    async def settle(self) -> None:
        """Lets everything go on that can."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def end(self, count: int = 1) -> None:
        """Ends the calls that have been under way for longest."""
        for _ in range(min(count, len(self._end))):
            self._end.pop(0).set()
        await self.settle()

    async def end_all(self) -> None:
        """Ends calls until none is under way."""
        while self._end:
            await self.end()


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 4),
    wanted=st.lists(st.tuples(st.sampled_from(RUNS), st.integers(0, 9)), max_size=40),
)
async def test_runs_that_wait_are_within_one_call_of_each_other(
    limit: int, wanted: list[tuple[str, int]]
) -> None:
    """Whatever a run's rounds: an early one does not starve a late one."""
    calls = Calls(Pacer(max_concurrent=limit))
    tasks = [calls.ask("first") for _ in range(limit)]
    await calls.settle()
    tasks += [calls.ask(run, priority) for run, priority in wanted]
    await calls.settle()
    await calls.end_all()
    await asyncio.gather(*tasks)
    left = Counter(run for run, _ in wanted)
    went: Counter[str] = Counter()
    for run, _ in calls.went[limit:]:
        went[run] += 1
        left[run] -= 1
        waiting = [went[other] for other in RUNS if left[other] > 0]
        assert not waiting or max(waiting) - min(waiting) <= 1
    assert left.total() == 0
    for run in RUNS:
        # Within a run the order of priorities stays.
        priorities = [priority for other, priority in calls.went if other == run]
        assert priorities == sorted(priorities)


@settings(max_examples=60, deadline=None)
@given(
    wanted=st.lists(st.tuples(st.sampled_from(RUNS), st.booleans()), max_size=40),
)
async def test_who_gives_up_waiting_costs_nobody_a_turn(wanted: list[tuple[str, bool]]) -> None:
    calls = Calls(Pacer(max_concurrent=1))
    first = calls.ask("first")
    await calls.settle()
    tasks = [(calls.ask(run), gives_up) for run, gives_up in wanted]
    await calls.settle()
    for task, gives_up in tasks:
        if gives_up:
            task.cancel()
    await calls.settle()
    await calls.end_all()
    await asyncio.gather(first, *(task for task, _ in tasks), return_exceptions=True)
    went = [run for run, _ in calls.went[1:]]
    stayed = Counter(run for run, gives_up in wanted if not gives_up)
    assert Counter(went) == stayed
    turns = [run for run in went if stayed[run] == max(stayed.values())]
    # The runs that had most to do alternate for as long as all of them have any.
    assert all(turns[i] != turns[i + 1] for i in range(len(turns) - 1) if len(set(turns)) > 1)


async def test_a_turn_that_came_too_late_is_the_runs_own_next() -> None:
    calls = Calls(Pacer(max_concurrent=1))
    first = calls.ask("a")
    await calls.settle()
    gone, stays, other = calls.ask("a"), calls.ask("a"), calls.ask("b")
    await calls.settle()
    calls.pacer.set_limits(max_concurrent=2)
    # The place has been granted, and its task has not run since.
    gone.cancel()
    await calls.settle()
    await calls.end_all()
    await asyncio.gather(first, gone, stays, other, return_exceptions=True)
    assert [run for run, _ in calls.went] == ["a", "a", "b"]


async def test_more_places_wake_who_waits_and_fewer_let_calls_end() -> None:
    calls = Calls(Pacer(max_concurrent=2))
    tasks = [calls.ask("a") for _ in range(20)]
    await calls.settle()
    assert calls.pacer.in_flight == 2
    calls.pacer.set_limits(max_concurrent=6)
    await calls.settle()
    assert calls.pacer.in_flight == 6
    calls.pacer.set_limits(max_concurrent=3)
    await calls.end(3)
    assert (calls.pacer.in_flight, len(calls.went)) == (3, 6)
    await calls.end()
    assert (calls.pacer.in_flight, len(calls.went)) == (3, 7)
    await calls.end_all()
    await asyncio.gather(*tasks)


async def test_rates_that_are_set_count_the_minute_before_them() -> None:
    clock = Clock()
    calls = Calls(Pacer(max_concurrent=100, clock=clock))
    tasks = [calls.ask("a", tokens=10) for _ in range(5)]
    await calls.settle()
    clock.now += 20
    calls.pacer.set_rates(requests_per_minute=6)
    tasks += [calls.ask("a", tokens=10) for _ in range(3)]
    await calls.settle()
    assert len(calls.went) == 6
    # Without the limit they go, and the tokens count as well.
    calls.pacer.set_rates(tokens_per_minute=70)
    await calls.settle()
    assert len(calls.went) == 7
    calls.pacer.set_rates()
    await calls.settle()
    assert len(calls.went) == 8
    calls.pacer.set_rates(requests_per_minute=8)
    clock.now += WINDOW_S - 20
    tasks += [calls.ask("a") for _ in range(6)]
    await calls.settle()
    assert len(calls.went) == 13
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
