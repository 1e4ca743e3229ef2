"""Reads the calls of a run page by page, with no more of their texts than a page holds.

A prompt or a reply may have megabytes. Read by their number alone, those of one page
would take the memory of all that it could hold were they short.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from server.store import codec
from server.store.paging import page_of
from server.store.records import CallRecord

# Rows of the first slice, and how much larger than the last one the next may be.
_FIRST = 4
_GROWTH = 4


@dataclass(frozen=True)
class CallPage:
    """Calls in the order in which they ended.

    Attributes:
        calls: The calls; at least one where there is one.
        more: Whether further ones come after them.
    """

    calls: list[CallRecord]
    more: bool


def read_calls(
    cursor: duckdb.DuckDBPyConnection,
    run_id: str,
    after: int,
    limit: int,
    *,
    full: bool,
    most_bytes: int,
) -> CallPage:
    """Returns calls from after a sequence number, whose texts fill about `most_bytes`.

    The first one comes however long it is. Without `full` they come without prompt and reply.
    """
    calls = _slices(cursor, run_id, after, limit + 1, full=full, most_bytes=most_bytes)
    return CallPage(*page_of(calls, limit, size=_size, most_bytes=most_bytes))


def _slices(
    cursor: duckdb.DuckDBPyConnection,
    run_id: str,
    after: int,
    limit: int,
    *,
    full: bool,
    most_bytes: int,
) -> Iterator[CallRecord]:
    """Yields calls, read a few at a time where they have texts: as many as may fill the page."""
    columns = codec.CALL_COLUMNS if full else codec.CALL_COLUMNS_BASIC
    rows = min(_FIRST, limit) if full else limit
    read, size = 0, 0
    while rows:
        # Numbered without gaps: a slice is a range, so no text has to be read to sort it out.
        found = cursor.execute(
            f"select {columns} from call where run_id = ? "  # noqa: S608 - our own names
            "and sequence > ? and sequence <= ? order by sequence",
            [run_id, after + read, after + read + rows],
        ).fetchall()
        for row in found:
            call = codec.load_call(row)
            size += _size(call)
            yield call
        if len(found) < rows:
            return
        read += rows
        likely = max(1, (most_bytes - size) * read // max(1, size))
        rows = min(likely, rows * _GROWTH, limit - read)


def _size(call: CallRecord) -> int:
    """Returns about how many bytes a call has on the wire."""
    return _FIXED + len(call.prompt.encode()) + len(call.raw_reply.encode()) + len(call.detail)


_FIXED = 300
"""Bytes of what is not text: times, numbers, and words of bounded length."""
