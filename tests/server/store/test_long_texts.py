"""Long replies are read and exported within less memory than they take."""

import asyncio
import random
from pathlib import Path

import duckdb

from server.store.export import export_run
from server.store.store import Store
from tests.support.store_records import call, new_run

CALLS = 160
LENGTH = 800_000


async def test_a_run_of_long_replies_is_read_and_exported_within_less_memory_than_they_take(
    database: Path, tmp_path: Path
) -> None:
    chance = random.Random(1)  # noqa: S311 - no secret depends on it
    replies = [chance.randbytes(LENGTH // 2).hex() for _ in range(CALLS)]
    with Store(database) as store:
        await store.create_run(new_run())
        await asyncio.gather(
            *(
                store.record_call("math-1", call(attempt=number, raw_reply=reply))
                for number, reply in enumerate(replies)
            )
        )
    with Store(database) as store:
        await store.database.read(lambda cursor: cursor.execute("set memory_limit = '100MB'"))
        page = await store.calls("math-1", 100, CALLS, full=True, most_bytes=2 << 20)
        assert [c.raw_reply for c in page.calls] == replies[100:102]
        exported = tmp_path / "call.parquet"
        with exported.open("wb") as file:
            async for table, data in export_run(store, "math-1"):
                if table == "call":
                    file.write(data)
    rows = duckdb.read_parquet(str(exported)).order("sequence").project("raw_reply")
    assert rows.fetchall() == [(reply,) for reply in replies]
