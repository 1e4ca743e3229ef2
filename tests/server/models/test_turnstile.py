"""Calls leave one at a turn of the loop, in the order in which they came."""

import asyncio
import itertools

from server.models.turnstile import Turnstile


async def test_others_have_a_turn_between_any_two() -> None:
    turnstile = Turnstile()
    happened: list[str] = []

    async def leave(number: int) -> None:
        await turnstile.enter()
        happened.append(f"call {number}")

    async def other() -> None:
        while len(happened) < 100:
            happened.append("other")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(leave(number))
        group.create_task(other())
    calls = [index for index, what in enumerate(happened) if what != "other"]
    assert [happened[index] for index in calls] == [f"call {number}" for number in range(20)]
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(calls))


async def test_who_gives_up_costs_nobody_a_turn() -> None:
    turnstile = Turnstile()
    passed: list[int] = []

    async def leave(number: int) -> None:
        await turnstile.enter()
        passed.append(number)

    tasks = [asyncio.create_task(leave(number)) for number in range(5)]
    await asyncio.sleep(0)
    for number in (0, 1, 3):
        tasks[number].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert passed == [2, 4]
    await asyncio.wait_for(turnstile.enter(), 60)
