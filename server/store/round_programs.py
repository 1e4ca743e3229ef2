"""What programs did in one round, as much of it as one answer to a reader holds."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from server.league.programs import CheckedCase
from server.store.execution_records import ExecutionRecord, Purpose
from server.store.executions import load_cases, load_executions
from server.store.store import Store

# What a reader needs of an input or an output; an export has the rest.
MOST_TEXT_BYTES = 4 << 10
# Of all inputs and outputs of a round together.
ROOM_BYTES = 1 << 20
# Each is tried in turn: the longest texts are cut first, and short ones stay whole.
_STEPS = tuple(MOST_TEXT_BYTES >> shift for shift in range(0, 13, 2))
_SHORTENED = ", ".join(f"coalesce(sum(least(size, {step})), 0)::bigint" for step in _STEPS)
_SIZES = f"""
select {_SHORTENED} from (
    select unnest([octet_length(input), octet_length(expected)]) as size from question_case
    where run_id = $run and round = $round and reopened = 0 and dropped = ''
    union all
    select unnest([octet_length(stdout), octet_length(stderr)]) from case_run
    where run_id = $run and round = $round and reopened = 0 and purpose = 'answer'
)
"""  # noqa: S608 - our own numbers


@dataclass(frozen=True, kw_only=True)
class RoundPrograms:
    """The programs of a round, as of one moment.

    Attributes:
        cases: The cases of the question in order, dropped ones included.
        answers: The execution of each answer, by participant.
        disputed: Numbers of the disputed cases.
        most: Bytes of an input or output that are to be shown. One that is longer
            comes with one more byte.
    """

    cases: tuple[CheckedCase, ...]
    answers: Mapping[str, ExecutionRecord]
    disputed: frozenset[int]
    most: int


async def read_programs(store: Store, run_id: str, round_: int, *, full: bool) -> RoundPrograms:
    """Reads the programs of a round.

    Args:
        store: The store.
        run_id: The run.
        round_: The round.
        full: With inputs and outputs; together they take at most `ROOM_BYTES`.
    """
    return await store.database.read(lambda cursor: _read(cursor, run_id, round_, full=full))


def _read(
    cursor: duckdb.DuckDBPyConnection, run_id: str, round_: int, *, full: bool
) -> RoundPrograms:
    most = _fitting(cursor, run_id, round_) if full else 0
    fetched = most + 1 if full else 0
    executions = load_executions(cursor, run_id, round_, fetched)
    disputed = cursor.execute(
        "select number from dispute where run_id = ? and round = ?", [run_id, round_]
    ).fetchall()
    return RoundPrograms(
        cases=tuple(load_cases(cursor, run_id, round_, fetched)),
        answers={e.participant: e for e in executions if e.purpose is Purpose.ANSWER},
        disputed=frozenset(number for (number,) in disputed),
        most=most,
    )


def _fitting(cursor: duckdb.DuckDBPyConnection, run_id: str, round_: int) -> int:
    """Returns how many bytes of each text may be shown for all to fit; 0 if none do."""
    (sizes,) = cursor.execute(_SIZES, {"run": run_id, "round": round_}).fetchall()
    return next((step for step, size in zip(_STEPS, sizes, strict=True) if size <= ROOM_BYTES), 0)
