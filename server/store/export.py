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
        rows = cursor.sql(f"select * from {table} where run_id = ?", params=[run_id])  # noqa: S608
        rows.write_parquet(str(folder / f"{table}.parquet"), compression="zstd")


def _piece(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(_PIECE)
