"""Gives a run's tables as Parquet files, while the run may go on."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb

from server.store.store import Store

TABLES = ("run", "step", "retried_step", "call", "mark", "event")
_PIECE = 1 << 20


async def export_run(store: Store, run_id: str) -> AsyncIterator[tuple[str, bytes]]:
    """Yields each table's Parquet file in pieces of at most 1 MiB, with its name.

    Raises:
        NotFoundError: There is no such run.
        StoreError: There is no room for the files.
    """
    await store.run(run_id)
    with tempfile.TemporaryDirectory(prefix="llm-crowdsourced-") as folder:
        for table in TABLES:
            path = Path(folder, f"{table}.parquet")

            def write(
                cursor: duckdb.DuckDBPyConnection, table: str = table, path: Path = path
            ) -> None:
                # COPY takes no parameters, so the rows pass through a relation.
                rows = cursor.sql(f"select * from {table} where run_id = ?", params=[run_id])  # noqa: S608
                rows.write_parquet(str(path), compression="zstd")

            await store.database.read(write)
            start = 0
            while piece := await asyncio.to_thread(_piece, path, start):
                yield table, piece
                start += len(piece)


def _piece(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(_PIECE)
