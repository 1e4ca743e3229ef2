"""Reads runs: one, or a page of them, each table once for all.

A run that this program cannot read, whatever befell its row, is told as such: it
keeps nobody from the others.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from server.errors import NotFoundError, StoreError
from server.league.league import League, Subject
from server.store import codec
from server.store.paging import page_of
from server.store.progress import load_all_progress
from server.store.records import Failure, Progress, RunRecord, RunState

Known = Callable[[str], Progress | None]
"""Gives the progress of a run that is in memory; `None` where none is."""

_MOVING = frozenset({RunState.PENDING, RunState.RUNNING})
# What a server that plays has to go on with.
_UNFINISHED = (RunState.PENDING, RunState.RUNNING, RunState.CANCELLING)
# Rows that are read at once, the place of the league in them, and about how many bytes a
# run has on the wire besides.
_SLICE = 50
_LEAGUE = 2
_FIXED = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunPage:
    """Runs, the newest first.

    Attributes:
        runs: The runs; at least one where there is one.
        more: Whether older ones come after them.
    """

    runs: list[RunRecord]
    more: bool


def read_run(cursor: duckdb.DuckDBPyConnection, run_id: str, known: Known) -> RunRecord:
    """Returns a run as it is on disk.

    While it moves, its progress may be one that is `known`, a commit older or newer than
    the rest; otherwise it is counted.

    Raises:
        NotFoundError: There is no such run.
    """
    sql = f"select {codec.RUN_COLUMNS} from run where run_id = ?"  # noqa: S608
    rows = cursor.execute(sql, [run_id]).fetchall()
    if not rows:
        raise NotFoundError(f"runs/{run_id}")
    return _loaded(cursor, rows, known)[0]


def list_runs(
    cursor: duckdb.DuckDBPyConnection,
    limit: int,
    before: int | None,
    known: Known,
    *,
    most_bytes: int,
) -> RunPage:
    """Returns runs, the newest first; with `before`, those of smaller numbers.

    Their leagues fill about `most_bytes`; the first one comes however long it is.
    """
    kept, more = page_of(
        _rows(cursor, limit + 1, before),
        limit,
        size=lambda row: _FIXED + len(row[_LEAGUE].encode()),
        most_bytes=most_bytes,
    )
    return RunPage(_loaded(cursor, kept, known), more)


def _rows(
    cursor: duckdb.DuckDBPyConnection, limit: int, before: int | None
) -> Iterator[tuple[Any, ...]]:
    """Yields rows of runs, the newest first, read a few at a time: a league may be long."""
    number = before if before is not None else 2**62
    left = limit
    while left:
        rows = cursor.execute(
            f"select {codec.RUN_COLUMNS} from run where number < ? "  # noqa: S608
            "order by number desc limit ?",
            [number, min(_SLICE, left)],
        ).fetchall()
        yield from rows
        if len(rows) < _SLICE:
            return
        number = rows[-1][1]
        left -= len(rows)


def unfinished_runs(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """Returns the ids of the runs that a playing server has to go on with, oldest first."""
    rows = cursor.execute(
        "select run_id from run where state in (?, ?, ?) order by number",
        [str(state) for state in _UNFINISHED],
    ).fetchall()
    return [run_id for (run_id,) in rows]


def _loaded(
    cursor: duckdb.DuckDBPyConnection, rows: Sequence[tuple[Any, ...]], known: Known
) -> list[RunRecord]:
    runs = [_load(row) for row in rows]
    told = {r.run_id: found for r in runs if r.state in _MOVING and (found := known(r.run_id))}
    counted = load_all_progress(cursor, {r.run_id: r.league for r in runs if r.run_id not in told})
    return [replace(run, progress=(told | counted)[run.run_id]) for run in runs]


def _load(row: tuple[Any, ...]) -> RunRecord:
    try:
        return codec.load_run(row, Progress())
    except ValueError as error:
        run_id = row[0]
        _log.warning("run cannot be read", extra={"run": run_id, "why": str(error)})
        why = "this program cannot read what is on record of this run: its league, or its state"
        return RunRecord(
            run_id=run_id,
            number=row[1],
            league=League(subject=Subject.MATH, participants=(), rounds_per_participant=0),
            state=RunState.FAILED,
            state_reason=f"{why}; an export gives its tables",
            failure=Failure(reason=StoreError.reason, message=why),
            prompts_sha256=row[6],
            source_run=row[7],
            server_version=row[8],
            created_at=row[9],
            started_at=row[10],
            ended_at=row[11],
            progress=Progress(),
        )
