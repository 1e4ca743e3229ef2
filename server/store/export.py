"""Gives a run's tables as Parquet files, while the run may go on."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb

from server.store.executions import EXECUTION_TABLES
from server.store.store import Store

TABLES = ("run", "step", "retried_step", "call", "mark", "event", *EXECUTION_TABLES)
_PIECE = 1 << 20
# A group is held in memory until it is written, and by rows alone it may have gigabytes.
_ROW_GROUP_BYTES = 16 << 20
# Calls that are read at once, and slices that a query is made of.
_SLICE = 32
_MOST_SLICES = 300


async def export_run(store: Store, run_id: str) -> AsyncIterator[tuple[str, bytes]]:
    """Yields each table's Parquet file in pieces of at most 1 MiB, with its name.

    All tables are as of one moment.

    Raises:
        NotFoundError: There is no such run.
        StoreError: There is no room for the files.
    """
    await store.run(run_id)
    with tempfile.TemporaryDirectory(prefix="llm-crowdsourced-") as folder:
        await store.database.read(lambda cursor: _write(cursor, run_id, Path(folder)))
        for table in TABLES:
            path = Path(folder, f"{table}.parquet")
            start = 0
            while piece := await asyncio.to_thread(_piece, path, start):
                yield table, piece
                start += len(piece)


def _write(cursor: duckdb.DuckDBPyConnection, run_id: str, folder: Path) -> None:
    for table in TABLES:
        # COPY takes no parameters, so the rows pass through a relation.
        sql = _calls(cursor, run_id) if table == "call" else f"from {table} where run_id = $run"
        rows = cursor.sql(sql, params={"run": run_id})
        rows.write_parquet(
            str(folder / f"{table}.parquet"),
            compression="zstd",
            row_group_size_bytes=_ROW_GROUP_BYTES,
        )


def _calls(cursor: duckdb.DuckDBPyConnection, run_id: str) -> str:
    """Returns the query of a run's calls, slice by slice: a scan holds the texts of 2,048 rows."""
    sql = "select coalesce(max(sequence), 1) from call where run_id = ?"
    ((last,),) = cursor.execute(sql, [run_id]).fetchall()
    rows = max(_SLICE, -(-last // _MOST_SLICES))
    slices = (
        f"(from call where run_id = $run and sequence between {first} and {first + rows - 1})"
        for first in range(1, last + 1, rows)
    )
    return " union all ".join(slices)


def _piece(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(_PIECE)
