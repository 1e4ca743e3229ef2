"""A database of an earlier schema, opened by this program, loses nothing."""

import json
from pathlib import Path

import duckdb

from server.league.schedule import Role, StepKey
from server.store import codec
from server.store.executions import EXECUTION_TABLES
from server.store.migrate import Migration, migrations
from server.store.store import Store
from tests.support.execution_records import case_run, execution
from tests.support.leagues import record_league
from tests.support.store_records import QUESTION, step

FIRST_PROGRESS = {
    "done_steps": 1,
    "total_steps": 32,
    "ok_steps": 1,
    "calls": 2,
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "cost_usd": 0.25,
    "unpriced_calls": 1,
    "failures": {},
    "marks": 0,
    "total_marks": 36,
}
CALL = """
insert into call (run_id, round, role, participant, ask, attempt, sequence, outcome, latency_s,
    started_at, prompt, prompt_tokens, completion_tokens, cost_usd)
values ('math-1', 1, 'question', 'p1', 0, ?, ?, ?, 1.0, timestamp '2026-11-20 09:30:00', '[]',
    ?, ?, ?)
"""


def _earlier_schema(path: Path, version: int) -> None:
    """Makes a database of that schema: a run with two calls and a step."""
    path.parent.mkdir(parents=True)
    first, *later = migrations()[:version]
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table schema_migration (version integer primary key, name varchar not null, "
            "sha256 varchar not null, applied_at timestamp not null)"
        )
        _migrate(connection, first)
        connection.execute(
            "insert into run (run_id, number, league, state, prompts_sha256, server_version, "
            "settings, created_at) values ('math-1', 1, ?, 'paused', 'ab', '0.1.0', '{}', "
            "timestamp '2026-11-20 09:30:00')",
            [codec.dump_league(record_league(4))],
        )
        connection.execute(CALL, [0, 1, "unavailable", None, None, None])
        connection.execute(CALL, [1, 2, "ok", 100, 50, 0.25])
        connection.execute(
            "insert into step (run_id, round, role, participant, outcome, calls, finished_at) "
            "values ('math-1', 1, 'question', 'p1', 'ok', 2, timestamp '2026-11-20 09:31:00')"
        )
        connection.execute(
            "insert into event values ('math-1', 1, timestamp '2026-11-20 09:30:00', 'state', "
            "?, ?)",
            [json.dumps({"state": "pending", "reason": ""}), json.dumps(FIRST_PROGRESS)],
        )
        for migration in later:
            _migrate(connection, migration)


def _migrate(connection: duckdb.DuckDBPyConnection, migration: Migration) -> None:
    connection.execute(migration.sql)
    connection.execute(
        "insert into schema_migration values (?, ?, ?, now()::timestamp)",
        [migration.version, migration.name, migration.sha256],
    )


async def test_calls_of_the_first_schema_are_charged_with_what_is_known(database: Path) -> None:
    _earlier_schema(database, 1)
    with Store(database) as store:
        calls = (await store.calls("math-1", 0, 10, full=True)).calls
        (event,) = await store.events("math-1", 0, 10)
        progress = (await store.run("math-1")).progress
    assert [(c.charged_tokens, c.charged_cost_usd) for c in calls] == [(0, 0.0), (150, 0.25)]
    assert (progress.charged_tokens, progress.charged_cost_usd) == (150, 0.25)
    assert (event.progress.calls, event.progress.charged_tokens) == (2, 0)
    # Opened again, it is as it was.
    with Store(database) as store:
        assert (await store.calls("math-1", 0, 10, full=True)).calls == calls


async def test_how_much_an_earlier_schema_kept_of_standard_error_is_what_is_known(
    database: Path,
) -> None:
    _earlier_schema(database, 4)
    kept = {1: b"", 2: b"few", 3: b"e" * 8192, 4: b"e" * 256}
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "insert into execution (run_id, round, participant, purpose, attempt, language, "
            "basis, source, compile_verdict, compile_message, compile_s, toolchain) "
            "values ('math-1', 1, 'p2', 'answer', 0, 'c', '', '', 'accepted', '', 0, '')"
        )
        for number, stderr in kept.items():
            connection.execute(
                "insert into case_run (run_id, round, participant, purpose, attempt, number, "
                "name, verdict, cpu_s, wall_s, peak_memory_bytes, stdout, stderr, output_bytes, "
                "output_cut, digest, detail) values ('math-1', 1, 'p2', 'answer', 0, ?, '', "
                "'accepted', 0, 0, 0, ''::blob, ?, 0, false, '', '')",
                [number, stderr],
            )
    with Store(database) as store:
        (found,) = await store.executions("math-1")
    assert {case.number: case.stderr for case in found.cases} == kept
    told = [(case.error_bytes, case.error_cut) for case in found.cases]
    assert told == [(0, False), (3, False), (8192, True), (256, True)]


async def test_a_run_from_before_executions_has_none_and_takes_some(database: Path) -> None:
    _earlier_schema(database, 2)
    with duckdb.connect(str(database)) as connection:
        (tables,) = connection.execute("select list(table_name) from duckdb_tables()").fetchall()
        assert "retried_step" in tables[0]
        assert not set(EXECUTION_TABLES) & set(tables[0])
    made = execution("p2", case_run(1))
    with Store(database) as store:
        assert [s.key for s in await store.steps("math-1")] == [QUESTION]
        assert await store.executions("math-1") == []
        assert await store.question_cases("math-1") == []
        assert await store.disputes("math-1") == {}
        answer = step(StepKey(1, Role.ANSWER, "p2"))
        await store.finish_step("math-1", answer, executions=[made])
    with Store(database) as store:
        assert await store.executions("math-1") == [made]
        assert (await store.run("math-1")).progress.done_steps == 2
