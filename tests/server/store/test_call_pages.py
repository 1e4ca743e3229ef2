"""Calls are read as far as a page holds them, whatever their texts weigh."""

import tracemalloc

import pytest

from server.store.call_pages import CallPage
from server.store.store import Store
from tests.support.store_records import call, new_run


async def _all_pages(store: Store, *, most_bytes: int, limit: int, full: bool) -> list[CallPage]:
    pages: list[CallPage] = []
    after = 0
    while not pages or pages[-1].more:
        page = await store.calls("math-1", after, limit, full=full, most_bytes=most_bytes)
        pages.append(page)
        after = page.calls[-1].sequence
    return pages


@pytest.mark.parametrize("limit", [1, 3, 40, 41, 1000])
@pytest.mark.parametrize("most_bytes", [1, 5_000, 40_000, 10_000_000])
async def test_pages_have_every_call_once_and_are_as_full_as_may_be(
    store: Store, limit: int, most_bytes: int
) -> None:
    await store.create_run(new_run())
    # Long ones among short ones: no size is like the last.
    for number in range(40):
        text = "x" * (20_000 if number % 7 == 3 else 10 * number)
        await store.record_call("math-1", call(attempt=number, raw_reply=text))
    pages = await _all_pages(store, most_bytes=most_bytes, limit=limit, full=True)
    assert [c.sequence for page in pages for c in page.calls] == list(range(1, 41))
    for page, after in zip(pages, [*pages[1:], None], strict=True):
        assert page.more is (after is not None)
        weight = sum(len(c.raw_reply) for c in page.calls)
        assert len(page.calls) <= limit
        assert len(page.calls) == 1 or weight < most_bytes
        if after is not None and len(page.calls) < limit:
            # The next one did not fit, by its text and its other fields.
            assert (
                weight + len(after.calls[0].raw_reply) + 1_000 * (len(page.calls) + 1) > most_bytes
            )
    basic = await _all_pages(store, most_bytes=10_000_000, limit=limit, full=False)
    assert [len(page.calls) for page in basic[:-1]] == [limit] * (len(basic) - 1)


async def test_no_more_texts_are_held_than_a_page_has_room_for(store: Store) -> None:
    """A hundred calls of 1 MB each: a page of 2 MB takes the memory of a few."""
    await store.create_run(new_run())
    for number in range(100):
        await store.record_call("math-1", call(attempt=number, raw_reply="x" * 1_000_000))
    tracemalloc.start()
    try:
        page = await store.calls("math-1", 10, 100, full=True, most_bytes=2_500_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [c.sequence for c in page.calls] == [11, 12]
    assert page.more
    assert peak < 20_000_000


async def test_a_run_without_calls_has_an_empty_page(store: Store) -> None:
    await store.create_run(new_run())
    assert await store.calls("math-1", 0, 10, full=True, most_bytes=10) == CallPage([], more=False)
