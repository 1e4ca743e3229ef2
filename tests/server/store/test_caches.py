"""What the writer remembers of runs: true after a restart, and bounded."""

from pathlib import Path

import pytest

from server.league.schedule import schedule
from server.store import database as database_module
from server.store.store import Store
from tests.support.leagues import record_league
from tests.support.store_records import call, mark, new_run, step


async def test_the_first_write_after_a_restart_counts_once(database: Path) -> None:
    keys = list(schedule(record_league()))
    with Store(database) as store:
        await store.create_run(new_run())
        await store.record_call("math-1", call(keys[0]))
    with Store(database) as store:
        # Its call is on record from before, as after a kill between the two writes.
        await store.finish_step("math-1", step(keys[0]), (mark("p1", "p2", 1.0),))
        (*_, last) = await store.events("math-1", 0, 100)
        counted = (await store.run("math-1")).progress
    assert (counted.done_steps, counted.marks, counted.calls) == (1, 1, 1)
    assert last.progress == counted


async def test_runs_that_are_forgotten_are_counted_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_MAX_CACHED", 5)
    keys = list(schedule(record_league()))[:6]
    names = [f"math-{number}" for number in range(1, 9)]
    for name in names:
        await store.create_run(new_run(name))
    for key in keys:
        for name in names:
            await store.record_call(name, call(key))
            await store.finish_step(name, step(key))
            assert len(store.database._cache) <= 5
    for name in names:
        run = await store.run(name)
        events = await store.events(name, 0, 100)
        assert [event.sequence for event in events] == list(range(1, 8))
        assert [event.progress.done_steps for event in events] == list(range(7))
        assert events[-1].progress == run.progress
        assert [c.sequence for c in (await store.calls(name, 0, 100, full=False)).calls] == [
            1, 2, 3, 4, 5, 6,
        ]  # fmt: skip
