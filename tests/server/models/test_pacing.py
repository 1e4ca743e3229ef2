"""Places are bounded, in order, never lost; no minute holds more than its limits."""

import asyncio
import contextlib
import functools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.models.pacing import WINDOW_S, Pacer, Window
from tests.support.scripted_chat import Clock


@given(
    calls=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 120)), max_size=40),
    requests=st.none() | st.integers(1, 5),
    tokens=st.none() | st.integers(50, 200),
)
def test_no_minute_holds_more_than_its_limits(
    calls: list[tuple[int, int]], requests: int | None, tokens: int | None
) -> None:
    window = Window(requests, tokens)
    now = 0.0
    went: list[tuple[float, int]] = []
    for pause, size in calls:
        now = max(now + pause, window.due(now + pause, size))
        assert window.due(now, size) == now
        window.take(now, size)
        went.append((now, size))
    for at, size in went:
        minute = [other for other in went if at - WINDOW_S < other[0] <= at]
        assert requests is None or len(minute) <= requests
        # A call larger than the limit goes alone.
        total = sum(other[1] for other in minute)
        assert tokens is None or total <= tokens or total == max(size for _, size in minute)


def test_a_call_counts_with_what_it_took() -> None:
    window = Window(None, 100)
    entry = window.take(0.0, 90)
    assert window.due(1.0, 50) == WINDOW_S
    window.settle(entry, 20)
    assert window.due(1.0, 50) == 1.0
    window.give_back(entry)
    assert window.due(1.0, 100) == 1.0
    assert window.due(WINDOW_S * 2, 100) == WINDOW_S * 2
    window.settle(entry, 1000)
    assert window.due(WINDOW_S * 2, 100) == WINDOW_S * 2


async def _hold(pacer: Pacer, priority: tuple[int, int], then: Callable[[], object]) -> None:
    async with pacer.place(priority, 1):
        then()
        await asyncio.sleep(0)


async def test_the_smallest_priority_goes_first_and_then_who_came_first() -> None:
    pacer = Pacer(max_concurrent=1)
    order: list[int] = []
    wanted = [(2, 0), (1, 5), (1, 5), (0, 9), (1, 0)]
    async with pacer.place((0, 0), 1):
        tasks = [
            asyncio.create_task(_hold(pacer, priority, functools.partial(order.append, index)))
            for index, priority in enumerate(wanted)
        ]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == [3, 4, 1, 2, 0]


@settings(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 4),
    plan=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=25),
)
async def test_no_place_is_lost_however_waiters_are_cancelled(
    limit: int, plan: list[tuple[int, int, bool]]
) -> None:
    pacer = Pacer(max_concurrent=limit)
    most = 0

    async def call(turns: int) -> None:
        nonlocal most
        async with pacer.place((0, 0), 1):
            most = max(most, pacer.in_flight)
            for _ in range(turns):
                await asyncio.sleep(0)

    tasks = []
    for turns, pause, cancelled in plan:
        tasks.append(asyncio.create_task(call(turns)))
        for _ in range(pause):
            await asyncio.sleep(0)
        if cancelled:
            tasks[len(tasks) // 2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert pacer.in_flight == 0
    assert most <= limit
    await asyncio.wait_for(call(0), 60)


async def test_a_place_granted_to_a_cancelled_waiter_goes_to_the_next() -> None:
    pacer = Pacer(max_concurrent=1, requests_per_minute=2)
    went: list[int] = []
    async with pacer.place((0, 0), 1) as place:
        place.sent()
        first = asyncio.create_task(_hold(pacer, (0, 0), lambda: went.append(1)))
        second = asyncio.create_task(_hold(pacer, (0, 0), lambda: went.append(2)))
        await asyncio.sleep(0)
    # The place has been granted to the first, which has not run since.
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    await asyncio.wait_for(second, 60)
    assert went == [2]


async def test_too_many_requests_halve_the_limit_and_successes_grow_it_back() -> None:
    clock = Clock()
    pacer = Pacer(max_concurrent=16, clock=clock)
    for _ in range(5):
        pacer.throttled()
    assert pacer.limit == 8
    for _ in range(10):
        clock.now += 1.5
        pacer.throttled()
    assert pacer.limit == 1
    for _ in range(10):
        pacer.succeeded()
    assert pacer.limit == 2
    for _ in range(1000):
        pacer.succeeded()
    assert pacer.limit == 16


async def test_the_limit_grows_back_to_a_limit_that_was_changed_meanwhile() -> None:
    clock = Clock()
    pacer = Pacer(max_concurrent=16, clock=clock)
    pacer.throttled()
    pacer.set_limits(max_concurrent=10)
    assert pacer.limit == 8
    for _ in range(1000):
        pacer.succeeded()
    assert pacer.limit == 10


async def test_a_hold_keeps_the_whole_provider_back() -> None:
    """However many places are free, and whichever run asks; calls under way go on."""
    clock = Clock()
    pacer = Pacer(max_concurrent=4, clock=clock)
    went: list[float] = []

    async def call(run: str) -> None:
        async with pacer.place((0, 0), 1, run):
            went.append(clock.now)

    async with pacer.place((0, 0), 1, "a"):
        pacer.hold(30)
        pacer.hold(10)
        waiting = [asyncio.create_task(call(run)) for run in "aab"]
        await asyncio.sleep(0)
        assert pacer.in_flight == 1
    clock.now += 29
    pacer.succeeded()
    pacer.set_rates()
    await asyncio.sleep(0)
    assert went == []
    clock.now += 1
    pacer.set_rates()
    await asyncio.gather(*waiting)
    assert went == [clock.now] * 3


async def test_growth_never_passes_the_limit_and_halving_never_comes_twice_a_second() -> None:
    clock = Clock()
    pacer = Pacer(max_concurrent=64, clock=clock)
    limits = []
    for _ in range(40):
        clock.now += 0.25
        pacer.throttled()
        limits.append(pacer.limit)
    assert limits[:12] == [32] * 4 + [16] * 4 + [8] * 4
    for _ in range(64 * 10 + 5):
        before = pacer.limit
        pacer.succeeded()
        assert before <= pacer.limit <= min(before + 1, 64)
    assert pacer.limit == 64


async def test_requests_wait_for_their_minute() -> None:
    clock = Clock()
    pacer = Pacer(max_concurrent=10, requests_per_minute=2, clock=clock)
    went: list[float] = []

    async def call() -> None:
        async with pacer.place((0, 0), 1) as place:
            place.sent()
            went.append(clock.now)

    waiting = [asyncio.create_task(call()) for _ in range(4)]
    await asyncio.sleep(0.01)
    assert len(went) == 2
    clock.now += WINDOW_S
    async with pacer.place((-1, 0), 1):
        pass
    await asyncio.wait_for(asyncio.gather(*waiting), 60)
    assert went[2] - went[0] == pytest.approx(WINDOW_S)
