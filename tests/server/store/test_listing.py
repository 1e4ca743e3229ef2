"""Runs are read together, each counted right, and none keeps anybody from the others."""

from functools import partial
from pathlib import Path

import pytest

from server.errors import StoreError
from server.league.outcome import Outcome
from server.league.schedule import Role, StepKey
from server.store.progress import load_progress
from server.store.records import RunState
from server.store.store import Store
from tests.support.leagues import record_league
from tests.support.store_records import call, mark, new_run, step

MOST = 2**63 - 1


async def test_sums_that_no_integer_holds_stop_at_the_largest(database: Path) -> None:
    with Store(database) as store:
        await store.create_run(new_run())
        for attempt in range(3):
            lie = call(
                attempt=attempt,
                prompt_tokens=2**62,
                completion_tokens=2**62,
                charged_tokens=MOST,
            )
            await store.record_call("math-1", lie)
        kept = (await store.run("math-1")).progress
        league = record_league()
        counted = await store.database.read(lambda cursor: load_progress(cursor, "math-1", league))
        assert kept == counted
        assert kept.calls == 3
        assert kept.prompt_tokens == kept.completion_tokens == kept.charged_tokens == MOST
        (used,) = (await store.ledger("math-1")).values()
        assert used.prompt_tokens == used.completion_tokens == used.charged_tokens == MOST
        # The event is written with that progress, and read.
        await store.set_state("math-1", RunState.RUNNING)
        assert (await store.events("math-1", 1, 10))[0].progress == kept
    with Store(database) as store:
        (again,) = (await store.runs(10)).runs
        assert again.progress == kept


async def test_the_runs_of_a_page_have_the_progress_that_each_has_alone(store: Store) -> None:
    for number in range(1, 6):
        await store.create_run(new_run(f"math-{number}"))
    for number in (2, 4):
        run_id = f"math-{number}"
        answer, judgment = StepKey(1, Role.ANSWER, "p2"), StepKey(1, Role.JUDGMENT, "p1")
        await store.record_call(run_id, call(prompt_tokens=number, cost_usd=None))
        await store.finish_step(run_id, step())
        failed = step(answer, outcome=Outcome.REFUSED, cause="refused")
        await store.finish_step(run_id, failed)
        await store.finish_step(run_id, step(judgment), (mark("p1", "p3", 1.0),) * (number == 4))
    await store.set_state("math-4", RunState.CANCELLED)
    runs = (await store.runs(10)).runs
    assert [run.run_id for run in runs] == [f"math-{number}" for number in (5, 4, 3, 2, 1)]
    for run in runs:
        counting = partial(load_progress, run_id=run.run_id, league=run.league)
        assert run.progress == await store.database.read(counting)
    assert [run.progress.prompt_tokens for run in runs] == [0, 4, 0, 2, 0]
    assert [run.progress.marks for run in runs] == [0, 1, 0, 0, 0]
    assert runs[1].progress.failures == {"refused": 1}
    assert [run.run_id for run in (await store.runs(2, before=4)).runs] == ["math-3", "math-2"]


async def test_unfinished_runs_are_those_that_move_the_oldest_first(store: Store) -> None:
    ends = (
        RunState.RUNNING,
        RunState.SUCCEEDED,
        RunState.PAUSED,
        RunState.CANCELLING,
        RunState.FAILED,
        RunState.CANCELLED,
    )
    for state in ends:
        await store.create_run(new_run(f"math-{state}"))
        await store.set_state(f"math-{state}", state)
    await store.create_run(new_run("math-pending"))
    assert await store.unfinished() == ["math-running", "math-cancelling", "math-pending"]


@pytest.mark.parametrize(
    "damage", ['league = \'{"subject": "chess"}\'', "league = '17'", "failure = '[]'"]
)
async def test_a_run_that_cannot_be_read_is_told_as_such_among_the_others(
    database: Path, damage: str
) -> None:
    with Store(database) as store:
        for number in (1, 2, 3):
            await store.create_run(new_run(f"math-{number}"))
        await store.record_call("math-1", call())
        await store.database.write(
            lambda tx: tx.execute(f"update run set {damage} where run_id = 'math-2'")  # noqa: S608
        )
    with Store(database) as store:
        runs = (await store.runs(10)).runs
        assert [run.run_id for run in runs] == ["math-3", "math-2", "math-1"]
        assert [run.state for run in runs] == [RunState.PENDING, RunState.FAILED, RunState.PENDING]
        assert "cannot read" in runs[1].state_reason
        assert runs[1] == await store.run("math-2")
        assert runs[2].progress.calls == 1
        assert await store.unfinished() == ["math-1", "math-2", "math-3"]
        with pytest.raises(StoreError, match="runs/math-2 cannot be read"):
            await store.set_state("math-2", RunState.RUNNING)
        assert (await store.set_state("math-3", RunState.RUNNING)).state is RunState.RUNNING
