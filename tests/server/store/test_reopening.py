"""Failed steps are opened again: what they were stays, and they can finish anew."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import WrongStateError
from server.league.league import Budget, League
from server.league.outcome import Outcome
from server.league.retrying import reopening
from server.league.schedule import Role, StepKey, judged_by, schedule, setter_of
from server.store.progress import load_progress
from server.store.records import RunRecord, RunState
from server.store.store import Store
from tests.support.leagues import leagues, record_league
from tests.support.store_records import call, new_run, step

LEAGUE = record_league(3)
FAILED = StepKey(1, Role.ANSWER, "p2")
GIVEN_UP = StepKey(2, Role.ANSWER, "p3")
VOID = StepKey(3, Role.QUESTION, "p3")


def _outcomes(league: League) -> dict[StepKey, Outcome]:
    """Returns a played league: two failed answers, and a third round that is void."""
    found = dict.fromkeys(schedule(league), Outcome.OK)
    found |= {key: Outcome.SKIPPED for key in found if key.round == 3}
    return found | {
        FAILED: Outcome.UNPARSABLE,
        GIVEN_UP: Outcome.UNAVAILABLE,
        VOID: Outcome.UNAVAILABLE,
        StepKey(2, Role.JUDGMENT, "p1"): Outcome.REFUSED,
    }


async def _play(store: Store, state: RunState = RunState.SUCCEEDED) -> None:
    await store.create_run(new_run(league=LEAGUE))
    for key, outcome in _outcomes(LEAGUE).items():
        if key != GIVEN_UP and outcome is not Outcome.SKIPPED:
            await store.record_call("math-1", call(key))
            await store.record_call("math-1", call(key, ask=1))
        await store.finish_step("math-1", step(key, outcome=outcome, cause=str(outcome)))
    await store.set_state("math-1", RunState.RUNNING)
    await store.set_state("math-1", state)


async def _agree(store: Store) -> RunRecord:
    """Returns the run, after a look that memory and tables say the same of it."""
    run = await store.run("math-1")
    assert (await store.events("math-1", 0, 1000))[-1].progress == run.progress
    counted = await store.database.read(lambda cursor: load_progress(cursor, "math-1", LEAGUE))
    assert counted == run.progress
    return run


async def _finish_open(store: Store, outcome: Outcome) -> list[StepKey]:
    done = {s.key for s in await store.steps("math-1")}
    open_ = [key for key in schedule(LEAGUE) if key not in done]
    for key in open_:
        await store.finish_step("math-1", step(key, outcome=outcome, cause=str(outcome)))
    return open_


async def test_what_failed_and_what_waited_for_it_is_open_again(store: Store) -> None:
    await _play(store)
    before = await store.run("math-1")
    reopened = await store.reopen("math-1", Budget(max_calls=99))
    # The void round's two answers and three judgments had been skipped.
    assert (reopened.steps, reopened.unskipped) == (3, 5)
    run = await _agree(store)
    assert run == reopened.run
    assert (run.state, run.ended_at) == (RunState.RUNNING, None)
    assert run.state_reason == "asking 3 steps again, and playing 5 that had waited for them"
    assert run.league.budget == Budget(max_calls=99)
    assert run.progress.done_steps == before.progress.done_steps - 8
    assert run.progress.failed_steps == 1
    assert run.progress.calls == before.progress.calls
    kept = {s.key for s in await store.steps("math-1")}
    opened = {FAILED, GIVEN_UP, *(k for k in schedule(LEAGUE) if k.round == 3)}
    assert kept == set(schedule(LEAGUE)) - opened
    asked = await store.earlier_askings("math-1")
    assert {key: n for key, n in asked.items() if n} == {FAILED: 2, VOID: 2}
    assert set(await store.calls_of_open_steps("math-1")) == {FAILED, VOID}
    *_, opening, state = await store.events("math-1", 0, 1000)
    assert (opening.kind, state.kind) == ("reopened", "state")
    assert opening.body["steps"][0] == {
        "round": 1,
        "role": "answer",
        "participant": "p2",
        "outcome": "unparsable",
        "cause": "unparsable",
    }
    assert len(opening.body["steps"]) == 8


@pytest.mark.parametrize("how", ["at once", "after a checkpoint", "after opening anew"])
async def test_a_step_can_fail_and_be_opened_many_times(database: Path, how: str) -> None:
    with Store(database) as store:
        await _play(store)
    for retry in range(1, 4):
        with Store(database) as store:
            reopened = await store.reopen("math-1")
            assert reopened.steps == (3 if retry == 1 else 8)
            if how == "after a checkpoint":
                await store.database.write(lambda tx: tx.execute("checkpoint"))
            if how != "after opening anew":
                assert len(await _finish_open(store, Outcome.UNAVAILABLE)) == 8
        if how == "after opening anew":
            with Store(database) as store:
                assert len(await _finish_open(store, Outcome.UNAVAILABLE)) == 8
        with Store(database) as store:
            assert (await store.succeed("math-1")).state is RunState.SUCCEEDED
            await _agree(store)
            numbers = await store.database.read(
                lambda cursor: cursor.execute(
                    "select list(retry order by retry) from retried_step where round = 1"
                ).fetchall()
            )
            assert numbers == [(list(range(1, retry + 1)),)]


async def test_nothing_to_open_changes_nothing(store: Store) -> None:
    await store.create_run(new_run(league=LEAGUE))
    await store.finish_step("math-1", step(outcome=Outcome.REFUSED, cause="refused"))
    paused = await store.set_state("math-1", RunState.PAUSED)
    reopened = await store.reopen("math-1", Budget(max_calls=1))
    assert (reopened.run, reopened.steps, reopened.unskipped) == (paused, 0, 0)
    assert len(await store.events("math-1", 0, 10)) == 3


@pytest.mark.parametrize(
    ("state", "cure"),
    [(RunState.RUNNING, "pause it first"), (RunState.CANCELLED, "only a run that has")],
)
async def test_other_states_are_refused_with_the_cure(
    store: Store, state: RunState, cure: str
) -> None:
    await store.create_run(new_run(league=LEAGUE))
    await store.set_state("math-1", state)
    with pytest.raises(WrongStateError, match=cure):
        await store.reopen("math-1")


async def test_a_run_with_open_steps_does_not_succeed(store: Store) -> None:
    await _play(store)
    await store.reopen("math-1")
    assert (await store.succeed("math-1")).state is RunState.RUNNING
    with pytest.raises(WrongStateError, match="only a run that has succeeded"):
        await store.create_run(new_run("math-2", LEAGUE, source_run="math-1"))


async def test_what_was_taken_over_is_not_asked_for_again(store: Store) -> None:
    """A judging again has another run's answers: only its own judgments are opened."""
    await _play(store)
    await store.create_run(new_run("math-2", LEAGUE, source_run="math-1"))
    judgment = StepKey(1, Role.JUDGMENT, "p1")
    await store.finish_step("math-2", step(judgment, outcome=Outcome.UNAVAILABLE, cause="x"))
    await store.set_state("math-2", RunState.PAUSED)
    # The source's failures are not this run's.
    assert (await store.run("math-2")).progress.failed_steps == 1
    assert (await store.reopen("math-2")).steps == 1
    assert (await store.run("math-2")).progress.failed_steps == 0
    done = {s.key for s in await store.steps("math-2")}
    assert FAILED in done
    assert judgment not in done


@given(league=leagues(), data=st.data())
def test_every_skipped_step_that_needs_an_opened_one_is_opened(
    league: League, data: st.DataObject
) -> None:
    keys = list(schedule(league))
    ends = st.sampled_from([*Outcome, None])
    drawn = data.draw(st.lists(ends, min_size=len(keys), max_size=len(keys)))
    finished = {key: end for key, end in zip(keys, drawn, strict=True) if end is not None}
    chosen = reopening(league, finished)
    opened = {*chosen.failed, *chosen.skipped}
    failed = {Outcome.UNAVAILABLE, Outcome.UNPARSABLE}
    assert set(chosen.failed) == {key for key, end in finished.items() if end in failed}
    for key in keys:
        if finished.get(key) is not Outcome.SKIPPED:
            continue
        question = StepKey(key.round, Role.QUESTION, setter_of(league, key.round))
        answers = [
            StepKey(key.round, Role.ANSWER, who)
            for who in judged_by(league, key.round, key.participant)
            if key.role is Role.JUDGMENT
        ]
        needs = [question, *answers] if key.role is not Role.QUESTION else []
        assert (key in chosen.skipped) == any(need in opened for need in needs)


async def test_limits_change_with_their_event(store: Store) -> None:
    await store.create_run(new_run(league=LEAGUE))
    run = await store.set_limits("math-1", Budget(max_tokens=5), None)
    assert run.league == replace(LEAGUE, budget=Budget(max_tokens=5))
    run = await store.set_limits("math-1", None, 3)
    assert (run.league.budget, run.league.max_concurrent_calls) == (Budget(max_tokens=5), 3)
    # The same again is no change.
    await store.set_limits("math-1", None, 3)
    events = await store.events("math-1", 0, 10)
    assert [event.kind for event in events] == ["state", "limits", "limits"]
    assert events[-1].body == {
        "budget": {"max_calls": None, "max_tokens": 5, "max_cost_usd": None},
        "max_concurrent_calls": 3,
    }
    await store.set_state("math-1", RunState.CANCELLED)
    with pytest.raises(WrongStateError):
        await store.set_limits("math-1", None, 4)
