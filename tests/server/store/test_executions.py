"""What programs did is kept whole, with its step or not at all, and counted as the rules say."""

from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.model import Verdict
from server.errors import StoreError
from server.league.executed import Tally, pass_rate, tally
from server.league.outcome import Outcome
from server.league.programs import CheckedCase
from server.league.schedule import Role, StepKey
from server.store.execution_records import (
    CaseRunRecord,
    ExecutionRecord,
    Purpose,
    QuestionCaseRecord,
)
from server.store.executions import EXECUTION_TABLES, MeanPassRate
from server.store.export import export_run
from server.store.records import RunState
from server.store.round_programs import ROOM_BYTES, read_programs
from server.store.store import Store
from tests.support.execution_records import case_run, execution, question_case
from tests.support.leagues import record_league
from tests.support.store_records import new_run, step

ANSWER = StepKey(1, Role.ANSWER, "p2")
_TEXT = st.text(max_size=20)
_OUTPUT = st.binary(max_size=40)
_SECONDS = st.floats(0, 1e6)
_COUNT = st.integers(0, 2**40)
_RUNS = st.builds(
    CaseRunRecord,
    number=st.integers(1, 1000),
    name=_TEXT,
    verdict=st.sampled_from([*map(str, Verdict)]),
    exit_status=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    cpu_s=_SECONDS,
    wall_s=_SECONDS,
    peak_memory_bytes=_COUNT,
    stdout=_OUTPUT,
    stderr=_OUTPUT,
    output_bytes=_COUNT,
    output_cut=st.booleans(),
    error_bytes=_COUNT,
    error_cut=st.booleans(),
    digest=_TEXT,
    detail=_TEXT,
)
_EXECUTIONS = st.builds(
    ExecutionRecord,
    round=st.just(1),
    participant=st.sampled_from(["p1", "p2"]),
    purpose=st.sampled_from(Purpose),
    attempt=st.integers(0, 3),
    language=_TEXT,
    basis=_TEXT,
    source=_TEXT,
    compile_verdict=st.sampled_from([*map(str, Verdict)]),
    compile_message=_TEXT,
    compile_s=_SECONDS,
    toolchain=_TEXT,
    cases=st.lists(_RUNS, max_size=3, unique_by=lambda run: run.number).map(
        lambda runs: tuple(sorted(runs, key=lambda run: run.number))
    ),
)
_CASES = st.builds(
    QuestionCaseRecord,
    round=st.just(1),
    case=st.builds(
        CheckedCase,
        number=st.integers(1, 1000),
        name=_TEXT,
        input=_OUTPUT,
        expected=_OUTPUT,
        dropped=_TEXT,
        generated=st.booleans(),
    ),
)


def _whose(record: ExecutionRecord) -> tuple[Any, ...]:
    return record.participant, record.purpose, record.attempt


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    executions=st.lists(_EXECUTIONS, min_size=1, max_size=4, unique_by=_whose),
    cases=st.lists(_CASES, max_size=4, unique_by=lambda kept: kept.case.number),
)
async def test_every_field_comes_back(
    executions: list[ExecutionRecord], cases: list[QuestionCaseRecord]
) -> None:
    with TemporaryDirectory() as folder, Store(Path(folder, "league.duckdb")) as store:
        await store.create_run(new_run())
        await store.finish_step("math-1", step(), executions=executions, cases=cases)
        for round_ in (1, None):
            found = await store.executions("math-1", round_)
            assert sorted(found, key=_whose) == sorted(executions, key=_whose)
            kept = await store.question_cases("math-1", round_)
            assert kept == sorted(cases, key=lambda each: each.case.number)
        assert await store.executions("math-1", 2) == []


async def test_executions_come_in_the_order_of_rounds_and_versions(store: Store) -> None:
    await store.create_run(new_run())
    made = [
        execution("p1", purpose=purpose, attempt=attempt)
        for attempt in (0, 1)
        for purpose in (Purpose.GENERATOR, Purpose.REFERENCE, Purpose.REFERENCE_AGAIN)
    ]
    later = execution("p2", round=2, purpose=Purpose.REFERENCE)
    key = StepKey(2, Role.QUESTION, "p2")
    await store.finish_step("math-1", step(key), executions=[later], cases=[question_case(1, 2)])
    await store.finish_step("math-1", step(), executions=made[::-1], cases=[question_case(1)])
    answer = execution("p2", attempt=1)
    await store.finish_step("math-1", step(ANSWER), executions=[answer])
    assert await store.executions("math-1") == [*made, answer, later]
    assert await store.question_cases("math-1") == [question_case(1), question_case(1, 2)]


async def test_a_step_that_cannot_be_kept_keeps_no_execution(store: Store) -> None:
    await store.create_run(new_run())
    first, other = execution("p2", case_run(1)), execution("p2", case_run(1), source="other")
    await store.finish_step("math-1", step(ANSWER), executions=[first])
    with pytest.raises(StoreError):
        await store.finish_step(
            "math-1", step(ANSWER), executions=[other], cases=[question_case(1)]
        )
    assert await store.executions("math-1") == [first]
    assert await store.question_cases("math-1") == []


async def test_an_execution_that_cannot_be_kept_keeps_no_step(store: Store) -> None:
    await store.create_run(new_run())
    broken = execution("p2", case_run(1, exit_status="no number"))
    with pytest.raises(StoreError):
        await store.finish_step("math-1", step(ANSWER), executions=[broken])
    assert await store.steps("math-1") == []
    assert await store.executions("math-1") == []
    assert [event.kind for event in await store.events("math-1", 0, 10)] == ["state"]


async def test_a_round_is_read_with_outputs_as_short_as_they_are_asked_for(store: Store) -> None:
    await store.create_run(new_run())
    runs = (
        case_run(1, stdout=b"\x00\xff" * 5, stderr=b""),
        case_run(2, stdout=b"", stderr=b"\x80" * 5),
        case_run(3, stdout=b"1234", stderr=b"5678"),
    )
    reference = execution("p1", *runs, purpose=Purpose.REFERENCE)
    case = question_case(1, input=b"\x01" * 9, expected=b"\x02" * 5000, dropped="why")
    await store.finish_step("math-1", step(), executions=[reference], cases=[case])
    made = execution("p2", *runs)
    await store.finish_step("math-1", step(ANSWER), executions=[made])
    await store.record_disputes("math-1", 1, [3])
    found = await read_programs(store, "math-1", 1, full=True)
    assert (found.answers, found.disputed, found.most) == ({"p2": made}, frozenset({3}), 4096)
    # One byte more says that there is more.
    assert found.cases == (replace(case.case, expected=b"\x02" * 4097),)
    basic = await read_programs(store, "math-1", 1, full=False)
    assert {run.stdout + run.stderr for run in basic.answers["p2"].cases} == {b""}
    assert [each.input + each.expected for each in basic.cases] == [b""]
    nothing = await read_programs(store, "math-1", 2, full=True)
    assert (nothing.cases, nothing.answers, nothing.disputed) == ((), {}, frozenset())


@pytest.mark.parametrize(
    ("long", "short", "most"),
    [(200, 0, 4096), (2000, 0, 256), (100, 5000, 4096), (3000, 5000, 256), (0, 300_000, 1)],
)
async def test_long_texts_are_cut_until_a_round_fits(
    store: Store, long: int, short: int, most: int
) -> None:
    await store.create_run(new_run())
    runs = [
        *(case_run(n, stdout=b"x" * 64_000, stderr=b"") for n in range(1, long + 1)),
        *(case_run(long + n, stdout=b"1234") for n in range(1, short + 1)),
    ]
    await store.finish_step("math-1", step(ANSWER), executions=[execution("p2", *runs)])
    found = await read_programs(store, "math-1", 1, full=True)
    assert found.most == most
    shown = [run.stdout[:most] for run in found.answers["p2"].cases]
    assert sum(map(len, shown)) <= ROOM_BYTES
    assert shown == [run.stdout[:most] for run in runs]


async def test_disputes_take_the_place_of_earlier_ones(store: Store) -> None:
    await store.create_run(new_run())
    assert await store.disputes("math-1") == {}
    await store.record_disputes("math-1", 1, [3, 1, 3])
    await store.record_disputes("math-1", 2, {2})
    assert await store.disputes("math-1") == {1: frozenset({1, 3}), 2: frozenset({2})}
    assert await store.disputes("math-1", 2) == {2: frozenset({2})}
    await store.record_disputes("math-1", 1, [3])
    assert await store.disputes("math-1") == {1: frozenset({3}), 2: frozenset({2})}
    await store.record_disputes("math-1", 1, ())
    assert await store.disputes("math-1") == {2: frozenset({2})}


async def _counted(store: Store) -> None:
    """Keeps a round of five answers; its second case was dropped, its fifth is disputed."""
    await store.create_run(new_run(league=record_league(6)))
    cases = [question_case(n, dropped="it changed" if n == 2 else "") for n in range(1, 6)]
    reference = execution("p1", *map(case_run, range(1, 6)), purpose=Purpose.REFERENCE)
    await store.finish_step("math-1", step(), executions=[reference], cases=cases)
    wrong, failed = Verdict.WRONG_ANSWER, Verdict.SANDBOX_ERROR
    ends = {
        "p2": dict.fromkeys((1, 3, 4, 5), Verdict.ACCEPTED),
        "p3": {1: wrong, 3: Verdict.ACCEPTED, 4: failed, 5: wrong},
        "p4": {},
        "p5": {},
        "p6": dict.fromkeys((1, 3, 4), failed) | {5: Verdict.ACCEPTED},
    }
    compiled = {"p4": Verdict.COMPILE_ERROR, "p5": failed}
    for who, verdicts in ends.items():
        runs = [case_run(number, verdict=str(end)) for number, end in verdicts.items()]
        end = str(compiled.get(who, Verdict.ACCEPTED))
        made = execution(who, *runs, compile_verdict=end)
        key = StepKey(1, Role.ANSWER, who)
        await store.finish_step("math-1", step(key), executions=[made])
    await store.record_disputes("math-1", 1, [5])


async def _rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return await store.database.read(lambda cursor: cursor.execute(sql).fetchall())


async def _rates(store: Store, run_id: str = "math-1") -> dict[str, float | None]:
    """Returns the pass rates of the first round, as the view for people has them."""
    columns = "run_id, round, answerer, pass_rate, passed, cases"
    found = await _rows(store, f"select {columns} from pass_rate")  # noqa: S608 - our own names
    rows = [row[2:] for row in found if row[:2] == (run_id, 1)]
    cases = [kept.case for kept in await store.question_cases(run_id, 1)]
    disputed = (await store.disputes(run_id)).get(1, frozenset())
    made = {e.participant: e for e in await store.executions(run_id, 1)}
    # The rules and the view agree.
    for who, rate, passed, counted in rows:
        assert tally(made[who], cases, disputed) == Tally(passed, counted)
        assert pass_rate(made[who], cases, disputed) == rate
    return {row[0]: row[1] for row in rows}


async def test_disputed_cases_and_the_sandboxs_own_failures_are_not_counted(store: Store) -> None:
    await _counted(store)
    rates = {"p2": 1.0, "p3": 0.5, "p4": 0.0, "p5": None, "p6": None}
    assert await _rates(store) == rates
    disputed = await _rows(store, "select distinct disputed from pass_rate")
    assert disputed == [(1,)]
    mix = await _rows(store, "select verdict, cases, disputed from verdict_mix order by all")
    assert mix == [
        ("accepted", 1, 0),
        ("accepted", 1, 1),
        ("accepted", 4, 1),
        ("compile_error", 4, 1),
        ("sandbox_error", 1, 0),
        ("sandbox_error", 3, 0),
        ("sandbox_error", 4, 1),
        ("wrong_answer", 2, 1),
    ]


async def test_mean_pass_rates_are_over_the_rounds_that_have_one(store: Store) -> None:
    await _counted(store)
    key = StepKey(2, Role.QUESTION, "p2")
    await store.finish_step("math-1", step(key), cases=[question_case(1, 2)])
    later = execution("p3", case_run(1), round=2)
    await store.finish_step("math-1", step(StepKey(2, Role.ANSWER, "p3")), executions=[later])
    assert await store.mean_pass_rates("math-1") == {
        "p2": MeanPassRate(rate=1.0, rounds=1, passed=3, cases=3),
        "p3": MeanPassRate(rate=0.75, rounds=2, passed=2, cases=3),
        "p4": MeanPassRate(rate=0.0, rounds=1, passed=0, cases=3),
    }


async def test_a_run_judged_again_has_what_programs_did(store: Store) -> None:
    await _counted(store)
    await store.set_state("math-1", RunState.SUCCEEDED)
    await store.create_run(new_run("math-2", record_league(6), source_run="math-1"))
    assert await store.executions("math-2") == await store.executions("math-1")
    assert len(await store.executions("math-2")) == 6
    assert await store.question_cases("math-2") == await store.question_cases("math-1")
    assert await store.disputes("math-2") == {1: frozenset({5})}
    assert await _rates(store, "math-2") == await _rates(store)


async def test_a_question_asked_again_has_its_cases_anew(store: Store) -> None:
    await store.create_run(new_run())
    cases, reference = [question_case(1)], execution("p1", case_run(1), purpose=Purpose.REFERENCE)
    for retry in range(3):
        failed = step(outcome=Outcome.UNPARSABLE, cause="question_unverified")
        now = replace(reference, source=f"try {retry}")
        await store.finish_step("math-1", failed, executions=[now], cases=cases)
        await store.record_disputes("math-1", 1, [1])
        assert await store.executions("math-1") == [now]
        assert await store.question_cases("math-1") == cases
        await store.set_state("math-1", RunState.PAUSED)
        assert (await store.reopen("math-1")).steps == 1
        assert await store.executions("math-1") == []
        assert await store.question_cases("math-1") == []
        assert await store.disputes("math-1") == {}
    sources = await _rows(store, "select source, reopened from execution order by reopened")
    assert sources == [("try 2", 1), ("try 1", 2), ("try 0", 3)]
    # What was put aside is not taken over.
    await store.set_state("math-1", RunState.SUCCEEDED)
    await store.create_run(new_run("math-2", source_run="math-1"))
    for table in EXECUTION_TABLES:
        assert not await _rows(store, f"from {table} where run_id = 'math-2'")


async def test_only_what_belongs_to_an_opened_step_is_put_aside(store: Store) -> None:
    await store.create_run(new_run())
    reference = execution("p1", case_run(1), purpose=Purpose.REFERENCE)
    other, failed = execution("p3", case_run(1)), execution("p2", case_run(1))
    await store.finish_step("math-1", step(), executions=[reference], cases=[question_case(1)])
    await store.finish_step("math-1", step(StepKey(1, Role.ANSWER, "p3")), executions=[other])
    unavailable = step(ANSWER, outcome=Outcome.UNAVAILABLE, cause="x")
    await store.finish_step("math-1", unavailable, executions=[failed])
    await store.record_disputes("math-1", 1, [1])
    await store.record_disputes("math-1", 2, [1])
    await store.set_state("math-1", RunState.PAUSED)
    await store.reopen("math-1")
    assert await store.executions("math-1") == [reference, other]
    assert await store.question_cases("math-1") == [question_case(1)]
    # The answers that stay may never have others beside them.
    assert await store.disputes("math-1") == {1: frozenset({1}), 2: frozenset({1})}
    assert await _rates(store) == {"p3": None}
    await store.record_disputes("math-1", 1, ())
    again = execution("p2", case_run(1, verdict="wrong_answer"))
    await store.finish_step("math-1", step(ANSWER), executions=[again])
    assert await store.executions("math-1") == [reference, again, other]
    assert await _rates(store) == {"p2": 0.0, "p3": 1.0}


async def test_a_judgment_asked_again_leaves_programs_and_disputes(store: Store) -> None:
    await _counted(store)
    judgment = StepKey(1, Role.JUDGMENT, "p2")
    await store.finish_step("math-1", step(judgment, outcome=Outcome.UNAVAILABLE, cause="x"))
    before = await store.executions("math-1")
    await store.set_state("math-1", RunState.PAUSED)
    assert (await store.reopen("math-1")).steps == 1
    assert await store.executions("math-1") == before
    assert await store.disputes("math-1") == {1: frozenset({5})}


async def test_an_export_has_the_whole_outputs(store: Store, tmp_path: Path) -> None:
    await store.create_run(new_run())
    await store.create_run(new_run("math-2"))
    long = case_run(1, stdout=b"\x00" * (64 << 10), stderr=b"\xff" * (64 << 10))
    for run_id in ("math-1", "math-2"):
        await store.finish_step(run_id, step(), cases=[question_case(1, input=b"\xfe")])
        await store.finish_step(run_id, step(ANSWER), executions=[execution("p2", long)])
        await store.record_disputes(run_id, 1, [1])
    files: dict[str, bytearray] = {}
    async for table, piece in export_run(store, "math-1"):
        files.setdefault(table, bytearray()).extend(piece)
    found: dict[str, list[dict[str, Any]]] = {}
    for table in EXECUTION_TABLES:
        path = tmp_path / f"{table}.parquet"
        path.write_bytes(files[table])
        names = await _rows(store, f"describe from '{path}'")
        rows = await _rows(store, f"from '{path}'")
        found[table] = [dict(zip([n[0] for n in names], row, strict=True)) for row in rows]
    (run,) = found["case_run"]
    assert {f.name: run[f.name] for f in fields(CaseRunRecord)} == vars(long)
    assert found["dispute"] == [{"run_id": "math-1", "round": 1, "number": 1}]
    assert [case["input"] for case in found["question_case"]] == [b"\xfe"]
    assert [made["source"] for made in found["execution"]] == ["print(4)\n"]
