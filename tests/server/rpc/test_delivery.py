"""Work for a client ends with its call, whatever becomes of the generator that gives the results."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from server.rpc.delivery import Delivery, NotReadError
from tests.support.scripted_league import eventually


class _Call:
    """As much of a call as a delivery sees: it tells when it is over."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[Any], None]] = []

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.append(callback)

    def end(self) -> None:
        for callback in self._callbacks:
            callback(self)


class _Work:
    """Gives numbers, as many as are taken."""

    def __init__(self, last: int = 1_000_000) -> None:
        self.given = 0
        self.closed = False
        self._last = last

    async def numbers(self) -> AsyncGenerator[int, None]:
        try:
            while self.given < self._last:
                self.given += 1
                yield self.given
                await asyncio.sleep(0)
            raise ValueError("no more")
        finally:
            self.closed = True


def _delivery(work: _Work, call: _Call, patience_s: float = 60) -> Delivery[int]:
    context: Any = call
    return Delivery(work.numbers(), context, patience_s)


async def test_work_ends_with_the_call_where_nobody_asks_for_results() -> None:
    work, call = _Work(), _Call()
    delivery = _delivery(work, call)
    results = delivery.results()
    assert await anext(results) == 1
    # The generator of the call stands at its `yield`, and is kept there.
    call.end()
    await eventually(lambda: work.closed)
    await results.aclose()


async def test_work_is_one_result_ahead_and_no_more() -> None:
    work, call = _Work(), _Call()
    delivery = _delivery(work, call)
    results = delivery.results()
    for number in range(1, 10):
        assert await anext(results) == number
        for _ in range(20):
            await asyncio.sleep(0)
        # One on its way to the client, one ready, one made and without room.
        assert work.given <= number + 2
    await results.aclose()
    assert work.closed


async def test_an_error_comes_after_the_results_before_it() -> None:
    work, call = _Work(last=3), _Call()
    results = _delivery(work, call).results()
    assert [await anext(results) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="no more"):
        await anext(results)
    assert work.closed


async def test_work_ends_where_nothing_is_read() -> None:
    work, call = _Work(), _Call()
    delivery = _delivery(work, call, patience_s=0.05)
    results = delivery.results()
    await anext(results)
    await eventually(lambda: work.closed)
    with pytest.raises(NotReadError):
        await _to_the_end(results)


async def _to_the_end(results: AsyncGenerator[int, None]) -> None:
    async for _ in results:
        pass


async def test_a_call_that_is_over_before_the_work_began() -> None:
    work, call = _Work(), _Call()
    delivery = _delivery(work, call)
    call.end()
    with pytest.raises(asyncio.CancelledError):
        await delivery.task
    assert work.given == 0
