"""Nothing that was acknowledged is lost: kill -9, export beside writing."""

import asyncio
import io
import os
import signal
import sys
from pathlib import Path

import duckdb
import pytest

from server.errors import NotFoundError
from server.league.schedule import schedule
from server.store.executions import EXECUTION_TABLES
from server.store.export import TABLES, export_run
from server.store.store import Store
from tests.support.leagues import record_league
from tests.support.store_records import call, mark, new_run, step

PROJECT = Path(__file__).resolve().parents[3]

_WRITE = """
import asyncio, sys
from pathlib import Path
from server.league.schedule import schedule
from server.store.store import Store
from tests.support.leagues import record_league
from tests.support.store_records import call, new_run, step

async def main() -> None:
    league = record_league(8, rounds_per_participant=20)
    with Store(Path(sys.argv[1])) as store:
        life = int(sys.argv[2])
        if life == 0:
            await store.create_run(new_run(league=league))
        done = {s.key for s in await store.steps("math-1")}
        keys = iter([key for key in schedule(league) if key not in done])

        async def writer() -> None:
            for key in keys:
                await store.record_call("math-1", call(key, attempt=life, raw_reply="x" * 2000))
                print("call", key, life, flush=True)
                await store.finish_step("math-1", step(key, content={"text": "y" * 2000}))
                print("step", key, flush=True)

        await asyncio.gather(*(writer() for _ in range(8)))

asyncio.run(main())
"""


async def _written_until_killed(database: Path, life: int, lines: int) -> set[str]:
    """Lets a process write, kills it after so many lines, and returns all that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITE, str(database), str(life),
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    said = [await process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    rest, _ = await process.communicate()
    assert process.returncode == -signal.SIGKILL
    lines_said = [*said, *rest.splitlines(keepends=True)]
    # The last line may be cut: then it was not said.
    return {line.decode().strip() for line in lines_said if line.endswith(b"\n")}


async def test_a_killed_writer_loses_nothing_that_was_acknowledged(database: Path) -> None:
    said: set[str] = set()
    for life in range(3):
        said |= await _written_until_killed(database, life, 40 + 37 * life)
        with Store(database) as store:
            steps = await store.steps("math-1")
            calls = (await store.calls("math-1", 0, 10_000, full=True)).calls
            events = await store.events("math-1", 0, 10_000)
            progress = (await store.run("math-1")).progress
        kept = {f"step {s.key}" for s in steps} | {f"call {c.key} {c.attempt}" for c in calls}
        assert said <= kept
        assert all(c.raw_reply == "x" * 2000 for c in calls)
        # Facts and events are of one transaction, so they agree.
        assert [event.sequence for event in events] == list(range(1, len(steps) + 2))
        assert progress.done_steps == events[-1].progress.done_steps == len(steps)
        assert [c.sequence for c in calls] == list(range(1, progress.calls + 1))


async def _export(store: Store, run_id: str) -> dict[str, bytes]:
    """Returns the files of an export by table."""
    files: dict[str, io.BytesIO] = {}
    async for table, piece in export_run(store, run_id):
        assert 0 < len(piece) <= 1 << 20
        files.setdefault(table, io.BytesIO()).write(piece)
    return {table: file.getvalue() for table, file in files.items()}


async def test_an_export_reads_back_beside_writing(store: Store, tmp_path: Path) -> None:
    league = record_league(4)
    await store.create_run(new_run(league=league))
    await store.create_run(new_run("other-1", league))
    keys = list(schedule(league))
    for key in keys[:10]:
        await store.record_call("math-1", call(key, raw_reply=os.urandom(100_000).hex()))
        await store.finish_step("math-1", step(key), (mark("p1", str(key), 1.0),))
    await store.finish_step("other-1", step())
    exporting = asyncio.create_task(_export(store, "math-1"))
    await asyncio.gather(*(store.finish_step("math-1", step(key)) for key in keys[10:]))
    files = await exporting
    assert set(files) == set(TABLES)
    assert len(files["call"]) > 1 << 20
    counts = {}
    with duckdb.connect() as connection:
        for table, data in files.items():
            path = tmp_path / f"{table}.parquet"
            path.write_bytes(data)
            rows = connection.execute(
                f"select run_id, count(*) from '{path}' group by run_id"  # noqa: S608
            ).fetchall()
            # Nothing was asked again, and no program executed.
            empty = table in {"retried_step", *EXECUTION_TABLES}
            assert [row[0] for row in rows] == ([] if empty else ["math-1"])
            counts[table] = sum(row[1] for row in rows)
    assert (counts["run"], counts["call"], counts["mark"]) == (1, 10, 10)
    assert counts["step"] >= 10


async def test_an_export_of_nothing_is_refused(store: Store) -> None:
    with pytest.raises(NotFoundError):
        await _export(store, "none")
