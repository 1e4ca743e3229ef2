"""Calls of one run under way: bounded over all providers, and none held up by another's."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from server.models.pacing import Pacer
from server.models.run_room import RunRoom


class Calls:
    """Calls of one run at several providers, which end when they are told to.

    Attributes:
        under_way: Of each call under way, where it is and its priority.
        most: The most that were under way at once.
    """

    def __init__(self, room: RunRoom, pacers: list[Pacer]) -> None:
        self._room, self._pacers = room, pacers
        self._ends: dict[tuple[int, int], asyncio.Event] = {}
        self._numbers = iter(range(10_000))
        self.most = 0

    @property
    def under_way(self) -> list[tuple[int, int]]:
        return list(self._ends)

    def ask(self, provider: int, priority: int | None = None) -> asyncio.Task[None]:
        number = next(self._numbers)
        return asyncio.create_task(self._call(provider, number if priority is None else priority))

    async def _call(self, provider: int, priority: int) -> None:
        async with self._pacers[provider].place((priority, 0), 1, "run", self._room) as place:
            place.sent()
            self._ends[provider, priority] = end = asyncio.Event()
            self.most = max(self.most, len(self._ends))
            try:
                await end.wait()
            finally:
                del self._ends[provider, priority]

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def end(self, provider: int, priority: int) -> None:
        self._ends[provider, priority].set()
        await self.settle()


async def test_calls_that_wait_for_one_provider_take_no_room_from_those_of_another() -> None:
    calls = Calls(RunRoom(2), [Pacer(max_concurrent=1), Pacer(max_concurrent=8)])
    slow = [calls.ask(0) for _ in range(5)]
    await calls.settle()
    quick = [calls.ask(1) for _ in range(3)]
    await calls.settle()
    assert calls.under_way == [(0, 0), (1, 5)]
    for priority in (5, 6, 7):
        await calls.end(1, priority)
    assert all(task.done() for task in quick)
    assert calls.under_way == [(0, 0)]
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_a_provider_that_is_held_back_takes_no_room() -> None:
    held = Pacer(max_concurrent=8)
    held.hold(1000)
    calls = Calls(RunRoom(1), [held, Pacer(max_concurrent=8)])
    waiting = calls.ask(0)
    quick = calls.ask(1)
    await calls.settle()
    assert calls.under_way == [(1, 1)]
    await calls.end(1, 1)
    assert quick.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_room_that_is_given_back_goes_to_the_most_urgent_call_of_all_providers() -> None:
    room = RunRoom(1)
    calls = Calls(room, [Pacer(max_concurrent=8) for _ in range(3)])
    calls.ask(0, 0)
    await calls.settle()
    for provider, priority in ((0, 3), (1, 2), (2, 1), (2, 4)):
        calls.ask(provider, priority)
    order = []
    for _ in range(5):
        await calls.settle()
        (now,) = calls.under_way
        order.append(now)
        await calls.end(*now)
    assert order == [(0, 0), (2, 1), (1, 2), (0, 3), (2, 4)]
    room.set_max(3)
    for provider in (0, 1, 2, 2):
        calls.ask(provider)
    await calls.settle()
    assert len(calls.under_way) == 3


async def test_a_run_without_room_does_not_keep_another_from_the_provider() -> None:
    pacer = Pacer(max_concurrent=2)
    full = Calls(RunRoom(1), [pacer])
    tasks = [full.ask(0) for _ in range(3)]
    await full.settle()
    async with asyncio.timeout(20), pacer.place((0, 0), 1, "another", RunRoom(1)):
        assert full.under_way == [(0, 0)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@settings(max_examples=60, deadline=None)
@given(
    most=st.integers(1, 4),
    places=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    plan=st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=20),
)
async def test_no_room_is_lost_or_overrun(
    most: int, places: list[int], plan: list[tuple[int, bool]]
) -> None:
    calls = Calls(RunRoom(most), [Pacer(max_concurrent=number) for number in places])
    tasks = []
    for provider, given_up in plan:
        tasks.append(task := calls.ask(provider % len(places)))
        await calls.settle()
        if given_up:
            task.cancel()
    while True:
        await calls.settle()
        if not calls.under_way:
            break
        await calls.end(*calls.under_way[0])
    assert all(task.done() for task in tasks)
    assert calls.most <= most
