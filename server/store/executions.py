"""Executions, cases of questions and disputes: their rows, and what reads and writes them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import duckdb

from server.league.programs import CheckedCase
from server.league.schedule import StepKey
from server.store.codec import clean
from server.store.database import Database, Transaction
from server.store.execution_records import (
    CaseRunRecord,
    ExecutionRecord,
    Purpose,
    QuestionCaseRecord,
)

EXECUTION_TABLES = ("question_case", "execution", "case_run", "dispute")
_WHOSE = "round, participant, purpose, attempt"
_EXECUTION = "language, basis, source, compile_verdict, compile_message, compile_s, toolchain"
_EXECUTION_NAMES = tuple(_EXECUTION.split(", "))
_CASE = (
    "number, name, verdict, exit_status, signal, cpu_s, wall_s, peak_memory_bytes, stdout, stderr, "
    "output_bytes, output_cut, error_bytes, error_cut, digest, detail"
)
_CASE_NAMES = tuple(_CASE.split(", "))
_QUESTION_CASE = "number, name, input, expected, dropped, generated"
_QUESTION_CASE_NAMES = tuple(_QUESTION_CASE.split(", "))
# In the order in which a question's versions came, and programs were run on each.
_ORDER = (
    "round, attempt, list_position(['generator', 'reference', 'reference_again', 'answer'], "
    "purpose), participant"
)
_ROLE = "case purpose when 'answer' then 'answer' else 'question' end"
_COPIED = {
    "question_case": f"round, {_QUESTION_CASE}",
    "execution": f"{_WHOSE}, {_EXECUTION}",
    "case_run": f"{_WHOSE}, {_CASE}",
}


@dataclass(frozen=True, kw_only=True)
class MeanPassRate:
    """A participant's pass rates together.

    Attributes:
        rate: Mean over rounds, from 0 to 1.
        rounds: Rounds behind it: its program was run on at least one case that counts.
        passed: Cases passed in them.
        cases: Cases that count in them.
    """

    rate: float
    rounds: int
    passed: int
    cases: int


class ExecutionStore:
    """What a store keeps of executions, cases and disputes; part of `Store`."""

    database: Database

    async def record_disputes(self, run_id: str, round_: int, numbers: Iterable[int]) -> None:
        """Keeps which cases of a round are disputed, in place of what was kept before."""
        rows = [
            {"run_id": run_id, "round": round_, "number": number} for number in sorted(set(numbers))
        ]

        def work(tx: Transaction) -> None:
            tx.execute("delete from dispute where run_id = ? and round = ?", [run_id, round_])
            for row in rows:
                tx.insert("dispute", row)

        await self.database.write(work)

    async def disputes(self, run_id: str, round_: int | None = None) -> dict[int, frozenset[int]]:
        """Returns the numbers of the disputed cases by round, of one or of all.

        Rounds without are left out.
        """
        rows = await self._fetch(
            "select round, list(number) from dispute where run_id = ? and round = coalesce(?, round) "
            "group by round",
            [run_id, round_],
        )
        return {round_: frozenset(numbers) for round_, numbers in rows}

    async def executions(self, run_id: str, round_: int | None = None) -> list[ExecutionRecord]:
        """Returns the executions of one round, or of all, in order of rounds and versions.

        Those of steps that were opened again since are left out. A whole run is
        read one round at a time.
        """
        found: list[ExecutionRecord] = []
        for number in await self._rounds_of("execution", run_id, round_):
            read = partial(load_executions, run_id=run_id, round_=number)
            found += await self.database.read(read)
        return found

    async def question_cases(
        self, run_id: str, round_: int | None = None
    ) -> list[QuestionCaseRecord]:
        """Returns the cases of one round's question, or of all, dropped ones included, in order.

        A whole run is read one round at a time.
        """
        found: list[QuestionCaseRecord] = []
        for number in await self._rounds_of("question_case", run_id, round_):
            read = partial(load_cases, run_id=run_id, round_=number)
            found += [
                QuestionCaseRecord(round=number, case=case)
                for case in await self.database.read(read)
            ]
        return found

    async def mean_pass_rates(self, run_id: str) -> dict[str, MeanPassRate]:
        """Returns the pass rates over all rounds, of participants that have one."""
        rows = await self._fetch(
            "select answerer, avg(pass_rate), count(*), sum(passed)::bigint, sum(cases)::bigint "
            "from pass_rate where run_id = ? and cases > 0 group by answerer",
            [run_id],
        )
        names = ("rate", "rounds", "passed", "cases")
        return {row[0]: MeanPassRate(**dict(zip(names, row[1:], strict=True))) for row in rows}

    async def _rounds_of(self, table: str, run_id: str, round_: int | None) -> list[int]:
        if round_ is not None:
            return [round_]
        rows = await self._fetch(
            f"select distinct round from {table} where run_id = ? order by round",  # noqa: S608
            [run_id],
        )
        return [row[0] for row in rows]

    async def _fetch(self, sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        return await self.database.read(lambda cursor: cursor.execute(sql, parameters).fetchall())


# Within a write.


def add_executions(tx: Transaction, run_id: str, executions: Iterable[ExecutionRecord]) -> None:
    """Adds executions with their cases; the step that they belong to comes with them."""
    for execution in executions:
        whose = {
            "run_id": run_id,
            "round": execution.round,
            "participant": execution.participant,
            "purpose": str(execution.purpose),
            "attempt": execution.attempt,
        }
        tx.insert("execution", {**whose, **_columns(execution, _EXECUTION_NAMES)})
        for case in execution.cases:
            tx.insert("case_run", {**whose, **_columns(case, _CASE_NAMES)})


def add_question_cases(tx: Transaction, run_id: str, cases: Iterable[QuestionCaseRecord]) -> None:
    """Adds the cases of a question; its step comes with them."""
    for kept in cases:
        columns = _columns(kept.case, _QUESTION_CASE_NAMES)
        tx.insert("question_case", {"run_id": run_id, "round": kept.round, **columns})


def copy_executions(tx: Transaction, source: str, run_id: str) -> None:
    """Copies what counts in a run to one that judges its answers again."""
    for table, columns in _COPIED.items():
        tx.execute(
            f"insert into {table} (run_id, {columns}) "  # noqa: S608 - our own names
            f"select ?, {columns} from {table} where run_id = ? and reopened = 0",
            [run_id, source],
        )
    tx.execute(
        "insert into dispute select ?, round, number from dispute where run_id = ?",
        [run_id, source],
    )


def put_aside(tx: Transaction, run_id: str, keys: Sequence[StepKey]) -> None:
    """Puts aside what belongs to steps that are opened again; they may finish with other rows.

    Disputes go with the cases that they are about. Those of a round with an answer that
    is opened again are told by the answers that stay, and replaced once all are there,
    which a run that is cancelled never comes to.
    """
    pairs = "(select unnest(?) as round, unnest(?) as role, unnest(?) as participant)"
    lists = [[k.round for k in keys], [str(k.role) for k in keys], [k.participant for k in keys]]
    for table in ("execution", "case_run"):
        tx.execute(
            f"update {table} set reopened = reopened + 1 "  # noqa: S608 - our own names
            f"where run_id = ? and (round, {_ROLE}, participant) in (from {pairs})",
            [run_id, *lists],
        )
    # Of our own names and parameters alone.
    of_questions = (
        f"where run_id = ? and round in (select round from {pairs} where role = 'question')"  # noqa: S608
    )
    parameters = [run_id, *lists]
    tx.execute(f"update question_case set reopened = reopened + 1 {of_questions}", parameters)  # noqa: S608
    tx.execute(f"delete from dispute {of_questions}", parameters)  # noqa: S608


def _columns(record: Any, names: Iterable[str]) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in names}
    return {name: clean(v) if isinstance(v, str) else v for name, v in values.items()}


# Within a read.


def load_cases(
    cursor: duckdb.DuckDBPyConnection, run_id: str, round_: int, most: int | None = None
) -> list[CheckedCase]:
    """Returns the cases of a round's question in order, their texts up to `most` bytes each."""
    columns = _cut(_QUESTION_CASE_NAMES, ("input", "expected"), most)
    rows = cursor.execute(
        f"select {columns} from question_case "  # noqa: S608 - our own names
        "where run_id = ? and round = ? and reopened = 0 order by number",
        [run_id, round_],
    ).fetchall()
    return [CheckedCase(**dict(zip(_QUESTION_CASE_NAMES, row, strict=True))) for row in rows]


def load_executions(
    cursor: duckdb.DuckDBPyConnection, run_id: str, round_: int, most: int | None = None
) -> list[ExecutionRecord]:
    """Returns the executions of a round, outputs of cases up to `most` bytes each."""
    ran: dict[tuple[Any, ...], list[CaseRunRecord]] = {}
    columns = _cut(_CASE_NAMES, ("stdout", "stderr"), most)
    for row in cursor.execute(
        f"select {_WHOSE}, {columns} from case_run "  # noqa: S608 - our own names
        "where run_id = ? and round = ? and reopened = 0 order by number",
        [run_id, round_],
    ).fetchall():
        case = CaseRunRecord(**dict(zip(_CASE_NAMES, row[4:], strict=True)))
        ran.setdefault(row[:4], []).append(case)
    return [
        ExecutionRecord(
            round=row[0],
            participant=row[1],
            purpose=Purpose(row[2]),
            attempt=row[3],
            cases=tuple(ran.get(row[:4], ())),
            **dict(zip(_EXECUTION_NAMES, row[4:], strict=True)),
        )
        for row in cursor.execute(
            f"select {_WHOSE}, {_EXECUTION} from execution "  # noqa: S608 - our own names
            f"where run_id = ? and round = ? and reopened = 0 order by {_ORDER}",
            [run_id, round_],
        ).fetchall()
    ]


def _cut(names: Iterable[str], long: Collection[str], most: int | None) -> str:
    """Returns columns to select; cut by the database, since together they may be huge."""
    if most is None:
        return ", ".join(names)
    return ", ".join(f"{name}[1:{most:d}]" if name in long else name for name in names)
