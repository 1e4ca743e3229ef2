"""Ctrl-C stops the innermost work, and a second one what puts things in order."""

import asyncio

import pytest

from client.interrupts import InterruptedByUserError, Interrupts


async def test_the_innermost_work_is_stopped_first() -> None:
    interrupts = Interrupts()
    steps: list[str] = []

    async def command() -> None:
        try:
            await interrupts.guard(asyncio.sleep(60))
        except InterruptedByUserError:
            steps.append("stopped")
            asyncio.get_running_loop().call_soon(interrupts.interrupt)
            try:
                await asyncio.sleep(60)
            finally:
                steps.append("order is left alone")

    asyncio.get_running_loop().call_later(0.01, interrupts.interrupt)
    with pytest.raises(InterruptedByUserError):
        await interrupts.guard(command())

    assert steps == ["stopped", "order is left alone"]


async def test_work_that_ends_by_itself_is_returned() -> None:
    interrupts = Interrupts()

    assert await interrupts.guard(asyncio.sleep(0, "result")) == "result"
    interrupts.interrupt()


async def test_a_cancellation_from_elsewhere_is_no_ctrl_c() -> None:
    interrupts = Interrupts()
    task = asyncio.ensure_future(interrupts.guard(asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
