"""The store of runs: what may be written and read, and what each write means.

A step is acknowledged once its transaction is on disk, with its marks and its
event in the same transaction: the table of events is the only truth about
what happened, and a watcher that reads it can lose nothing.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Self

import duckdb

from server.errors import (
    NotFoundError,
    RunExistsError,
    WrongStateError,
)
from server.league.league import Budget
from server.league.schedule import Role, StepKey
from server.store import codec
from server.store.call_pages import CallPage, read_calls
from server.store.changes import Changes
from server.store.database import Database, Transaction
from server.store.execution_records import ExecutionRecord, QuestionCaseRecord
from server.store.executions import ExecutionStore, add_executions, add_question_cases
from server.store.listing import RunPage, list_runs, read_run, unfinished_runs
from server.store.records import (
    CallRecord,
    EventRecord,
    Failure,
    LedgerRecord,
    MarkRecord,
    NewRun,
    Progress,
    RunRecord,
    RunState,
    StepRecord,
)
from server.store.reopening import Reopened, reopen
from server.store.writes import (
    add_call,
    add_event,
    add_step,
    earlier_run,
    end_if_complete,
    find_run,
    insert_run,
    move_run,
    set_league,
)


class Store(ExecutionStore):
    """All runs of one database file; see `Database` for what it guarantees.

    Must be opened on the event loop on which it is used.

    Raises:
        DatabaseUnusableError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.changes = Changes(asyncio.get_running_loop())
        self.database = Database(path, self.changes.announce)

    def close(self) -> None:
        """Writes what waits, and lets go of the file."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def problem(self) -> str:
        """Why writes wait, in one sentence; empty while they do not."""
        return self.database.problem

    async def settled(self) -> None:
        """Waits until everything that was written so far is on disk.

        Raises:
            StoreError: It cannot be.
        """
        await self.database.write(lambda _: None)

    def stop_waiting(self) -> None:
        """Gives up writes that wait for room on a full disk."""
        self.database.stop_waiting()

    # Writes.

    async def create_run(self, new: NewRun) -> tuple[RunRecord, bool]:
        """Creates a run, and says whether an earlier request had created it already.

        Raises:
            RunExistsError: The id is taken.
            RequestIdReusedError: The request id came with other content before.
        """

        def work(tx: Transaction) -> tuple[RunRecord, bool]:
            earlier = earlier_run(tx, new)
            if earlier:
                return find_run(tx, earlier), True
            if tx.execute("select 1 from run where run_id = ?", [new.run_id]):
                raise RunExistsError(f"runs/{new.run_id}")
            insert_run(tx, new)
            add_event(tx, new.run_id, "state", {"state": RunState.PENDING, "reason": ""})
            return find_run(tx, new.run_id), False

        return await self.database.write(work)

    async def set_state(
        self,
        run_id: str,
        state: RunState,
        *,
        reason: str = "",
        failure: Failure | None = None,
        only_from: frozenset[RunState] | None = None,
        budget: Budget | None = None,
    ) -> RunRecord:
        """Moves a run to a state, with its event, and returns it as it is then.

        A run that is in the state already, where `only_from` has it, stays as it is. A run that
        has ended leaves its state only where `only_from` names it. `budget`, where one is
        given, takes the place of the league's in the same transaction.

        Raises:
            NotFoundError: There is no such run.
            WrongStateError: It is in none of the states of `only_from`.
        """

        def work(tx: Transaction) -> RunRecord:
            run = find_run(tx, run_id)
            if run.state is state and (only_from is None or state in only_from):
                return run
            allowed = frozenset(RunState) - _TERMINAL if only_from is None else only_from
            if run.state not in allowed:
                needed = f"it must be {' or '.join(sorted(allowed))}"
                why = "it has ended and stays so" if run.state.terminal else needed
                raise WrongStateError(run.name, run.state, why)
            league = run.league if budget is None else replace(run.league, budget=budget)
            return move_run(tx, run, state, reason=reason, failure=failure, league=league)

        return await self.database.write(work)

    async def succeed(self, run_id: str) -> RunRecord:
        """Ends a run as succeeded, unless it has ended or steps of it are open (again).

        Raises:
            NotFoundError: There is no such run.
        """
        return await self.database.write(lambda tx: end_if_complete(tx, run_id))

    async def reopen(self, run_id: str, budget: Budget | None = None) -> Reopened:
        """Opens the failed steps of a run again; see `server.store.reopening.reopen`.

        `budget`, where one is given and there is something to open, takes the
        place of the league's.

        Raises:
            NotFoundError: There is no such run.
            WrongStateError: It has neither succeeded nor is it paused.
        """
        return await self.database.write(lambda tx: reopen(tx, run_id, budget))

    async def set_limits(
        self, run_id: str, budget: Budget | None, max_concurrent_calls: int | None
    ) -> RunRecord:
        """Changes the limits of a run, with its event; `None` leaves one as it is.

        Raises:
            NotFoundError: There is no such run.
            WrongStateError: It has ended.
        """

        def work(tx: Transaction) -> RunRecord:
            run = find_run(tx, run_id)
            if run.state.terminal:
                raise WrongStateError(run.name, run.state, "it has ended and needs no limits")
            league = replace(
                run.league,
                budget=run.league.budget if budget is None else budget,
                max_concurrent_calls=max_concurrent_calls or run.league.max_concurrent_calls,
            )
            if league != run.league:
                set_league(tx, run_id, league)
            return find_run(tx, run_id)

        return await self.database.write(work)

    async def record_call(self, run_id: str, call: CallRecord) -> None:
        """Keeps one call to a model."""
        await self.database.write(lambda tx: add_call(tx, run_id, call))

    async def finish_step(
        self,
        run_id: str,
        step: StepRecord,
        marks: tuple[MarkRecord, ...] = (),
        reply: CallRecord | None = None,
        *,
        last: bool = False,
        executions: Sequence[ExecutionRecord] = (),
        cases: Sequence[QuestionCaseRecord] = (),
    ) -> None:
        """Keeps how a step ended, with its marks, its event, and a reply that is not kept yet.

        So are the executions that it took, and the cases of a question.

        The `last` step of a run ends it in the same transaction.
        """

        def work(tx: Transaction) -> None:
            if reply is not None:
                add_call(tx, run_id, reply)
            add_step(tx, run_id, step, marks)
            add_executions(tx, run_id, executions)
            add_question_cases(tx, run_id, cases)
            if last:
                end_if_complete(tx, run_id)

        await self.database.write(work)

    async def record_preparation(self, run_id: str, body: dict[str, Any]) -> None:
        """Keeps where the preparation of a run's models stands."""
        await self.database.write(lambda tx: add_event(tx, run_id, "preparation", body))

    # Reads.

    async def run_of_request(self, new: NewRun) -> RunRecord | None:
        """Returns the run that the same request created before; `None` if none did.

        Raises:
            RequestIdReusedError: The request id came with other content.
        """

        def work(tx: Transaction) -> RunRecord | None:
            run_id = earlier_run(tx, new)
            return find_run(tx, run_id) if run_id else None

        return await self.database.write(work)

    async def run(self, run_id: str) -> RunRecord:
        """Returns a run.

        Raises:
            NotFoundError: There is none of that id.
        """
        return await self.database.read(lambda cursor: read_run(cursor, run_id, self._known))

    async def runs(
        self, limit: int, before: int | None = None, *, most_bytes: int = sys.maxsize
    ) -> RunPage:
        """Returns runs, the newest first; with `before`, those of smaller numbers.

        They are at most `limit`, and with their leagues about `most_bytes`; at least one.
        """
        return await self.database.read(
            lambda cursor: list_runs(cursor, limit, before, self._known, most_bytes=most_bytes)
        )

    async def unfinished(self) -> list[str]:
        """Returns the ids of the runs that have to be gone on with, oldest first."""
        return await self.database.read(unfinished_runs)

    def _known(self, run_id: str) -> Progress | None:
        """Returns a run's progress as the last commit left it, if it is in memory."""
        known: Progress | None = self.database.committed(("progress", run_id))
        return known

    async def played(
        self, run_id: str, first: int = 1, last: int = 2**31 - 1
    ) -> tuple[list[StepRecord], list[MarkRecord]]:
        """Returns the finished steps and the marks of rounds, as of one moment.

        The marks come as judges saw the answers.
        """

        def work(cursor: duckdb.DuckDBPyConnection) -> tuple[list[StepRecord], list[MarkRecord]]:
            steps = cursor.execute(
                f"select {codec.PLAYED_COLUMNS} from step "  # noqa: S608
                f"left join ({codec.RETRIES}) using (run_id, round, role, participant) "
                "where run_id = ? and round between ? and ?",
                [run_id, run_id, first, last],
            ).fetchall()
            marks = cursor.execute(
                f"select {codec.MARK_COLUMNS} from mark "  # noqa: S608
                "where run_id = ? and round between ? and ? order by round, judge, position",
                [run_id, first, last],
            ).fetchall()
            return [*map(codec.load_step, steps)], [*map(codec.load_mark, marks)]

        return await self.database.read(work)

    async def steps(self, run_id: str) -> list[StepRecord]:
        """Returns the finished steps of a run."""
        rows = await self._rows(
            f"select {codec.STEP_COLUMNS} from step where run_id = ?",  # noqa: S608
            [run_id],
        )
        return [codec.load_step(row) for row in rows]

    async def calls(
        self, run_id: str, after: int, limit: int, *, full: bool, most_bytes: int = sys.maxsize
    ) -> CallPage:
        """Returns calls in the order in which they ended, from after a sequence number.

        They are at most `limit`, and with their texts about `most_bytes`; at least one.
        """
        return await self.database.read(
            lambda cursor: read_calls(
                cursor, run_id, after, limit, full=full, most_bytes=most_bytes
            )
        )

    async def calls_of_open_steps(self, run_id: str) -> dict[StepKey, list[CallRecord]]:
        """Returns the calls of steps that have not finished, in order of asking."""
        rows = await self._rows(
            f"select {codec.CALL_COLUMNS} from call c where run_id = ? and not exists "  # noqa: S608
            "(select 1 from step s where s.run_id = c.run_id and s.round = c.round "
            "and s.role = c.role and s.participant = c.participant) order by ask, attempt",
            [run_id],
        )
        found: dict[StepKey, list[CallRecord]] = {}
        for row in rows:
            call = codec.load_call(row)
            found.setdefault(call.key, []).append(call)
        return found

    async def earlier_askings(self, run_id: str) -> dict[StepKey, int]:
        """Returns how often open steps had been asked before they were opened again."""
        rows = await self._rows(
            "select round, role, participant, max(asks) from retried_step r where run_id = ? "
            "and not exists (select 1 from step s where s.run_id = r.run_id "
            "and s.round = r.round and s.role = r.role and s.participant = r.participant) "
            "group by all",
            [run_id],
        )
        return {StepKey(row[0], Role(row[1]), row[2]): row[3] for row in rows}

    async def ledger(self, run_id: str) -> dict[tuple[str, Role], LedgerRecord]:
        """Returns what a run has used, by participant and role."""
        names = [f.name for f in fields(LedgerRecord)]
        rows = await self._rows(
            f"select participant, role, {', '.join(names)} from ledger where run_id = ?",  # noqa: S608
            [run_id],
        )
        return {
            (row[0], Role(row[1])): LedgerRecord(**dict(zip(names, row[2:], strict=True)))
            for row in rows
        }

    async def events(self, run_id: str, after: int, limit: int) -> list[EventRecord]:
        """Returns events in order, from after a sequence number."""
        rows = await self._rows(
            "select sequence, happened_at, kind, body, progress from event "
            "where run_id = ? and sequence > ? order by sequence limit ?",
            [run_id, after, limit],
        )
        return [codec.load_event(row) for row in rows]

    async def last_event(self, run_id: str) -> int:
        """Returns the number of a run's newest event; 0 where there is no such run."""
        rows = await self._rows(
            "select coalesce(max(sequence), 0) from event where run_id = ?", [run_id]
        )
        return int(rows[0][0])

    async def prompts(self, sha256: str) -> dict[str, str]:
        """Returns the prompts of a set by role.

        Raises:
            NotFoundError: No run has used it.
        """
        rows = await self._rows("select texts from prompt_set where sha256 = ?", [sha256])
        if not rows:
            raise NotFoundError(f"prompt set {sha256}")
        texts: dict[str, str] = json.loads(rows[0][0])
        return texts

    async def _rows(self, sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        return await self.database.read(lambda cursor: cursor.execute(sql, parameters).fetchall())


_TERMINAL = frozenset(state for state in RunState if state.terminal)
