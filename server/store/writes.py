"""What the writes of a run do, each within its transaction."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from server.errors import NotFoundError, RequestIdReusedError, StoreError, WrongStateError
from server.league.league import League
from server.store import codec
from server.store.database import Transaction
from server.store.executions import copy_executions
from server.store.progress import after_call, after_step, load_progress, no_progress
from server.store.records import (
    CallRecord,
    EventRecord,
    Failure,
    MarkRecord,
    NewRun,
    Progress,
    RunRecord,
    RunState,
    StepRecord,
    utc_now,
)

_RUN = f"select {codec.RUN_COLUMNS} from run where run_id = ?"  # noqa: S608
_COPIED_STEPS = """
insert into step select ?, round, role, participant, outcome, cause, detail, reasks,
    repaired, 0, content, ? from step where run_id = ? and role in ('question', 'answer')
"""


def earlier_run(tx: Transaction, new: NewRun) -> str:
    """Returns the run that the same request created before; empty if none did."""
    if not new.request_id:
        return ""
    rows = tx.execute(
        "select run_id, content_sha256 from request where request_id = ?", [new.request_id]
    )
    if not rows:
        return ""
    run_id, content_sha256 = rows[0]
    if content_sha256 != new.content_sha256:
        raise RequestIdReusedError(new.request_id, f"runs/{run_id}")
    return str(run_id)


def insert_run(tx: Transaction, new: NewRun) -> None:
    """Adds a run, with the questions and answers of its source where it has one.

    What programs did comes with them.

    Raises:
        NotFoundError: There is no such source.
        WrongStateError: The source has not succeeded, or is being asked again.
    """
    now = utc_now()
    number = tx.execute("select coalesce(max(number), 0) + 1 from run")[0][0]
    tx.execute(
        "insert into prompt_set values (?, ?, ?) on conflict do nothing",
        [new.prompts_sha256, str(new.league.subject), codec.dump(new.prompts)],
    )
    tx.insert(
        "run",
        {
            "run_id": new.run_id,
            "number": number,
            "league": codec.dump_league(new.league),
            "state": str(RunState.PENDING),
            "prompts_sha256": new.prompts_sha256,
            "source_run": new.source_run,
            "server_version": new.server_version,
            "settings": codec.dump(new.settings),
            "created_at": now,
        },
    )
    if new.request_id:
        tx.insert(
            "request",
            {
                "request_id": new.request_id,
                "content_sha256": new.content_sha256,
                "run_id": new.run_id,
            },
        )
    if new.source_run:
        source = find_run(tx, new.source_run)
        if source.state is not RunState.SUCCEEDED:
            # What it lacks would have to be asked for.
            needed = "only a run that has succeeded can be judged again"
            raise WrongStateError(source.name, source.state, needed)
        tx.execute(_COPIED_STEPS, [new.run_id, now, new.source_run])
        copy_executions(tx, new.source_run, new.run_id)
    else:
        # Nothing is there yet: no need to count it.
        tx.set_cached(("progress", new.run_id), no_progress(new.league))
        tx.set_cached(("events", new.run_id), 0)


def find_run(tx: Transaction, run_id: str) -> RunRecord:
    """Returns a run as the transaction sees it.

    Raises:
        NotFoundError: There is no such run.
        StoreError: What is on record of it cannot be read.
    """
    row = _only(tx.execute(_RUN, [run_id]), run_id)
    try:
        return codec.load_run(row, progress_of(tx, run_id))
    except ValueError as error:
        raise StoreError(f"what is on record of runs/{run_id} cannot be read") from error


def move_run(
    tx: Transaction,
    run: RunRecord,
    state: RunState,
    *,
    reason: str,
    failure: Failure | None = None,
    league: League | None = None,
) -> RunRecord:
    """Moves a run to a state, with its event, and returns it as it is then.

    Whether the state may be left is the caller's to know.
    """
    # Both may quote an endpoint.
    reason = codec.clean(reason)
    if failure is not None:
        failure = replace(failure, message=codec.clean(failure.message))
    now = utc_now()
    started_at = run.started_at or (now if state is RunState.RUNNING else None)
    ended_at = now if state.terminal else None
    tx.execute(
        "update run set state = ?, state_reason = ?, failure = ?, league = ?, "
        "started_at = ?, ended_at = ? where run_id = ?",
        [
            str(state),
            reason,
            codec.dump_failure(failure),
            codec.dump_league(league or run.league),
            started_at,
            ended_at,
            run.run_id,
        ],
    )
    add_event(tx, run.run_id, "state", {"state": str(state), "reason": reason})
    return replace(
        run,
        state=state,
        state_reason=reason,
        failure=failure,
        league=league or run.league,
        started_at=started_at,
        ended_at=ended_at,
        progress=progress_of(tx, run.run_id),
    )


def end_if_complete(tx: Transaction, run_id: str) -> RunRecord:
    """Ends a run as succeeded, unless it has ended or steps of it are open, and returns it.

    Raises:
        NotFoundError: There is no such run.
    """
    run = find_run(tx, run_id)
    if run.state.terminal or run.progress.done_steps < run.progress.total_steps:
        return run
    return move_run(tx, run, RunState.SUCCEEDED, reason="")


def set_league(tx: Transaction, run_id: str, league: League) -> None:
    """Changes the limits that a run's league gives, with their event."""
    tx.execute("update run set league = ? where run_id = ?", [codec.dump_league(league), run_id])
    limits = {
        "budget": asdict(league.budget),
        "max_concurrent_calls": league.max_concurrent_calls,
    }
    add_event(tx, run_id, "limits", limits)


def _only(rows: list[tuple[Any, ...]], run_id: str) -> tuple[Any, ...]:
    """Returns the row of a run.

    Raises:
        NotFoundError: There is no such run.
    """
    if not rows:
        raise NotFoundError(f"runs/{run_id}")
    return rows[0]


def progress_of(tx: Transaction, run_id: str) -> Progress:
    """Returns a run's progress as the transaction sees it.

    Raises:
        NotFoundError: There is no such run.
    """

    def load() -> Progress:
        row = _only(tx.execute("select league from run where run_id = ?", [run_id]), run_id)
        return load_progress(tx, run_id, codec.load_league(row[0]))

    return tx.cached(("progress", run_id), load)


def add_call(tx: Transaction, run_id: str, call: CallRecord) -> None:
    """Adds a call, numbered in the order in which the run's calls ended."""
    sequence = tx.cached(("calls", run_id), lambda: progress_of(tx, run_id).calls) + 1
    tx.set_cached(("calls", run_id), sequence)
    tx.set_cached(("progress", run_id), after_call(progress_of(tx, run_id), call))
    tx.insert("call", codec.call_row(run_id, call, sequence))


def add_step(tx: Transaction, run_id: str, step: StepRecord, marks: Sequence[MarkRecord]) -> None:
    """Adds how a step ended, with its marks and its event."""
    # Before the rows: a progress that is counted only now would count them too.
    progress = after_step(progress_of(tx, run_id), step, len(marks))
    tx.insert("step", {**codec.step_row(run_id, step), "finished_at": utc_now()})
    for mark in marks:
        tx.insert("mark", codec.mark_row(run_id, mark))
    tx.set_cached(("progress", run_id), progress)
    body = {
        "round": step.key.round,
        "role": str(step.key.role),
        "participant": step.key.participant,
        "outcome": str(step.outcome),
        "cause": step.cause,
        "calls": step.calls,
    }
    if (step.content or {}).get("verified") is False:
        body["unverified"] = True
    add_event(tx, run_id, "step", body)


def add_event(tx: Transaction, run_id: str, kind: str, body: dict[str, Any]) -> None:
    """Adds the next event of a run; numbers are given here and nowhere else."""

    def last() -> int:
        rows = tx.execute("select coalesce(max(sequence), 0) from event where run_id = ?", [run_id])
        return int(rows[0][0])

    sequence = tx.cached(("events", run_id), last) + 1
    tx.set_cached(("events", run_id), sequence)
    progress, now, text = progress_of(tx, run_id), utc_now(), codec.dump(body)
    tx.insert(
        "event",
        {
            "run_id": run_id,
            "sequence": sequence,
            "happened_at": now,
            "kind": kind,
            "body": text,
            "progress": codec.dump_progress(progress),
        },
    )
    # Read back from its text, so that a watcher hears exactly what the table holds.
    event = EventRecord(
        sequence=sequence, at=now, kind=kind, body=json.loads(text), progress=progress
    )
    tx.tell(run_id, event)
