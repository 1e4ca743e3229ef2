"""What is written comes back, whole, in order, and counted right."""

import asyncio
import random
from dataclasses import replace

import pytest

from server.errors import (
    NotFoundError,
    RequestIdReusedError,
    RunExistsError,
    StoreError,
    WrongStateError,
)
from server.league.outcome import Outcome
from server.league.schedule import Role, StepKey, schedule
from server.store.export import TABLES
from server.store.progress import load_progress
from server.store.records import MarkRecord, RunState
from server.store.store import Store
from tests.support.leagues import record_league
from tests.support.store_records import QUESTION, call, mark, new_run, step

REQUEST = "0b0b0b0b-0000-4000-8000-000000000001"


async def test_a_request_that_comes_again_finds_its_run(store: Store) -> None:
    asked = new_run(request_id=REQUEST, content_sha256="c1")
    first, existed = await store.create_run(asked)
    assert (first.run_id, first.number, existed) == ("math-1", 1, False)
    again, existed = await store.create_run(replace(asked, run_id="math-2"))
    assert (again, existed) == (first, True)
    assert await store.run_of_request(asked) == first
    assert len((await store.runs(10)).runs) == 1


async def test_a_request_id_with_other_content_is_refused(store: Store) -> None:
    asked = new_run(request_id=REQUEST, content_sha256="c1")
    await store.create_run(asked)
    other = replace(asked, run_id="math-2", content_sha256="c2")
    for refused in (store.create_run(other), store.run_of_request(other)):
        with pytest.raises(RequestIdReusedError, match="runs/math-1"):
            await refused
    assert len((await store.runs(10)).runs) == 1


async def test_the_same_request_at_once_creates_one_run(store: Store) -> None:
    asked = new_run(request_id=REQUEST, content_sha256="c1")
    made = await asyncio.gather(
        *(store.create_run(replace(asked, run_id=f"math-{n}")) for n in range(20))
    )
    assert len({run.run_id for run, _ in made}) == 1
    assert sorted(existed for _, existed in made) == [False] + [True] * 19


async def test_a_taken_id_is_refused(store: Store) -> None:
    await store.create_run(new_run())
    with pytest.raises(RunExistsError):
        await store.create_run(new_run())


async def test_what_is_not_there_is_said(store: Store) -> None:
    for missing in (
        store.run("none"),
        store.set_state("none", RunState.PAUSED),
        store.finish_step("none", step()),
        store.record_call("none", call()),
        store.prompts("none"),
    ):
        with pytest.raises(NotFoundError):
            await missing


async def test_a_bad_write_does_not_spoil_those_beside_it(store: Store) -> None:
    """The second writing of a step breaks the primary key; all else is kept."""
    await store.create_run(new_run(league=record_league(8)))
    keys = list(schedule(record_league(8)))[:60]
    writes = [store.finish_step("math-1", step(key)) for key in [*keys, *keys[::3]]]
    random.Random(1).shuffle(writes)  # noqa: S311 - no secret depends on it
    results = await asyncio.gather(*writes, return_exceptions=True)
    failed = [result for result in results if result is not None]
    assert len(failed) == len(keys[::3])
    assert all(isinstance(error, StoreError) for error in failed)
    assert {s.key for s in await store.steps("math-1")} == set(keys)
    events = await store.events("math-1", 0, 1000)
    # One of the state, one a step, none of a write that failed, and no gap.
    assert [event.sequence for event in events] == list(range(1, len(keys) + 2))
    assert [event.progress.done_steps for event in events] == list(range(len(keys) + 1))
    assert (await store.run("math-1")).progress == events[-1].progress


async def test_progress_is_what_the_tables_hold(store: Store) -> None:
    league = record_league(4)
    await store.create_run(new_run(league=league))
    chance = random.Random(2)  # noqa: S311 - no secret depends on it

    async def play(key: StepKey) -> None:
        attempts = chance.randint(1, 3)
        for attempt in range(attempts):
            tokens = chance.choice([None, 7, 100])
            cost = chance.choice([None, 0.25])
            await store.record_call(
                "math-1",
                call(
                    key,
                    attempt=attempt,
                    prompt_tokens=tokens,
                    cost_usd=cost,
                    charged_tokens=chance.choice([0, 150, 600]),
                    charged_cost_usd=chance.choice([0.0, 0.5]),
                ),
            )
        outcome, cause = chance.choice(
            [(Outcome.OK, ""), (Outcome.REFUSED, "refused"), (Outcome.SKIPPED, "question_void")]
        )
        marks: tuple[MarkRecord, ...] = ()
        if key.role is Role.JUDGMENT and outcome is Outcome.OK:
            given = (mark(key.participant, a, 1.0) for a in ("x", "y"))
            marks = tuple(replace(m, round=key.round) for m in given)
        await store.finish_step("math-1", step(key, outcome=outcome, cause=cause), marks)

    await asyncio.gather(*(play(key) for key in schedule(league)))
    last = (await store.events("math-1", 0, 1000))[-1].progress
    counted = await store.database.read(lambda cursor: load_progress(cursor, "math-1", league))
    assert last == counted
    assert last.done_steps == last.total_steps == 32
    assert last.unpriced_calls > 0
    assert set(last.failures) == {"refused", "question_void"}
    assert last.failed_steps == last.failures["refused"]
    assert last.charged_tokens > 0
    calls = (await store.calls("math-1", 0, 1000, full=False)).calls
    assert [c.sequence for c in calls] == list(range(1, last.calls + 1))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\ud800 lone \udfff", "? lone ?"),
        ("NUL \x00 inside", "NUL \x00 inside"),
        ("quote ' \" ; drop table run; --", "quote ' \" ; drop table run; --"),
        ("😀 数学 \u202e \x1b[2J", "😀 数学 \u202e \x1b[2J"),
        ("é" * 2_500_000, "é" * 2_500_000),
        ("", ""),
    ],
    ids=["surrogates", "NUL", "SQL", "unicode", "5 MB", "empty"],
)
async def test_texts_are_kept(store: Store, text: str, kept: str) -> None:
    await store.create_run(new_run())
    await store.record_call("math-1", call(raw_reply=text, detail=text[:50]))
    await store.finish_step(
        "math-1",
        step(detail=text[:50], content={"text": text}),
        (mark("p1", "p2", 1.0, reason=text),),
    )
    (kept_call,) = (await store.calls("math-1", 0, 10, full=True)).calls
    assert (kept_call.raw_reply, kept_call.detail) == (kept, kept[:50])
    (kept_step,) = await store.steps("math-1")
    assert (kept_step.content, kept_step.detail) == ({"text": kept}, kept[:50])
    assert (await store.played("math-1"))[1][0].reason == kept
    (basic,) = (await store.calls("math-1", 0, 10, full=False)).calls
    assert (basic.prompt, basic.raw_reply) == ("", "")


async def test_calls_of_open_steps_are_those_without_a_result(store: Store) -> None:
    await store.create_run(new_run())
    answer = StepKey(1, Role.ANSWER, "p2")
    await store.record_call("math-1", call(QUESTION))
    await store.finish_step("math-1", step(QUESTION))
    await store.record_call("math-1", call(answer, ask=1))
    await store.record_call("math-1", call(answer, ask=0, attempt=1))
    await store.record_call("math-1", call(answer, ask=0, attempt=0))
    found = await store.calls_of_open_steps("math-1")
    assert list(found) == [answer]
    assert [(c.ask, c.attempt) for c in found[answer]] == [(0, 0), (0, 1), (1, 0)]


async def test_states_move_only_where_they_may(store: Store) -> None:
    await store.create_run(new_run())
    moved = await store.set_state("math-1", RunState.RUNNING, reason="off it goes")
    assert moved.started_at is not None
    await store.set_state("math-1", RunState.RUNNING, reason="again")
    with pytest.raises(WrongStateError, match="running; it must be pending"):
        await store.set_state("math-1", RunState.PAUSED, only_from=frozenset({RunState.PENDING}))
    ended = await store.set_state("math-1", RunState.SUCCEEDED)
    assert ended.ended_at is not None
    with pytest.raises(WrongStateError):
        await store.set_state("math-1", RunState.RUNNING)
    states = [event.body["state"] for event in await store.events("math-1", 0, 100)]
    assert states == ["pending", "running", "succeeded"]
    assert await store.unfinished() == []


async def test_a_judging_again_takes_questions_and_answers_over(store: Store) -> None:
    await store.create_run(new_run("source-1"))
    answer, judgment = StepKey(1, Role.ANSWER, "p2"), StepKey(1, Role.JUDGMENT, "p1")
    await store.record_call("source-1", call(QUESTION))
    for key in (QUESTION, answer, judgment):
        await store.finish_step("source-1", step(key, content={"text": str(key)}))
    await store.set_state("source-1", RunState.SUCCEEDED)
    await store.create_run(new_run("again-1", source_run="source-1"))
    steps = {s.key: s for s in await store.steps("again-1")}
    assert set(steps) == {QUESTION, answer}
    assert steps[answer].content == {"text": str(answer)}
    progress = (await store.run("again-1")).progress
    assert (progress.done_steps, progress.calls) == (2, 0)
    assert len(await store.steps("source-1")) == 3


async def test_watchers_wake_for_their_run_alone(store: Store) -> None:
    await store.create_run(new_run("run-a"))
    await store.create_run(new_run("run-b"))
    with store.changes.watching("run-a") as one, store.changes.watching("run-b") as other:
        await store.finish_step("run-a", step())
        await asyncio.wait_for(one.changed.wait(), 60)
        assert not other.changed.is_set()
        assert one.take() == (await store.events("run-a", 1, 10), True)


async def test_the_views_give_means_and_how_many_they_rest_on(store: Store) -> None:
    await store.create_run(new_run())
    content = {"text": "q", "reference_answer": "r", "marking_scheme": "m", "principle": "p"}
    await store.finish_step("math-1", step(QUESTION, content=content))
    answer = StepKey(1, Role.ANSWER, "p2")
    await store.finish_step("math-1", step(answer, content={"text": "a", "final_answer": "4"}))
    await store.record_call("math-1", call())
    await store.record_call("math-1", call(attempt=1, cost_usd=None))
    for judge, marks in (
        ("p1", (mark("p1", "p2", 2.0), mark("p1", "p3", 1.0))),
        ("p4", (mark("p4", "p2", 1.0),)),
    ):
        await store.finish_step("math-1", step(StepKey(1, Role.JUDGMENT, judge)), marks)

    async def rows(sql: str) -> list[tuple[object, ...]]:
        return await store.database.read(lambda cursor: cursor.execute(sql).fetchall())

    assert await rows("select setter, question, principle from question") == [("p1", "q", "p")]
    assert await rows("select setter, answerer, answer, final_answer from answer") == [
        ("p1", "p2", "a", "4")
    ]
    assert await rows(
        "select answerer, score, share, marks, rounds from answer_score order by answerer"
    ) == [("p2", 1.5, 0.75, 2, 1), ("p3", 1.0, 0.5, 1, 1)]
    assert await rows("select setter, score, marks, answers from question_score") == [
        ("p1", 1.25, 3, 2)
    ]
    assert await rows("select calls, prompt_tokens, cost_usd, unpriced_calls from ledger") == [
        (2, 200, 0.25, 1)
    ]
    assert (
        *("run", "step", "retried_step", "call", "mark", "event"),
        *("question_case", "execution", "case_run", "dispute"),
    ) == TABLES


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.create_run(new_run())
    store.close()
    with pytest.raises(StoreError):
        await store.record_call("math-1", call())
