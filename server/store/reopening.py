"""Opens finished steps of a run again; how they had ended is kept beside them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from server.errors import WrongStateError
from server.league.league import Budget
from server.league.retrying import Reopening, reopening
from server.league.schedule import Role, StepKey
from server.store import codec
from server.store.database import Transaction
from server.store.executions import put_aside
from server.store.progress import load_progress
from server.store.records import RunRecord, RunState, StepRecord, utc_now
from server.store.writes import add_event, find_run, move_run

_FROM = frozenset({RunState.SUCCEEDED, RunState.PAUSED})
_STEP = (
    "run_id, round, role, participant, outcome, cause, detail, reasks, repaired, calls, content, "
    "finished_at"
)
_KEYS = "(select unnest(?) as round, unnest(?) as role, unnest(?) as participant)"
_EARLIER = f"""
insert into retried_step ({_STEP}, retry, asks, reopened_at)
select {_STEP}, 1 + coalesce(e.retries, 0), coalesce(c.asks, 0), ?
from step semi join {_KEYS} k using (round, role, participant)
left join (
    select round, role, participant, count(*) as retries
    from retried_step where run_id = ? group by all
) e using (round, role, participant)
left join (
    select round, role, participant, max(ask) + 1 as asks
    from call where run_id = ? group by all
) c using (round, role, participant)
where run_id = ?
"""  # noqa: S608 - our own names
_DELETE = f"""
delete from step where run_id = ? and (round, role, participant) in (from {_KEYS})
"""  # noqa: S608 - our own names


@dataclass(frozen=True)
class Reopened:
    """A run after steps of it were opened again.

    Attributes:
        run: The run; unchanged if there was nothing to open.
        steps: Steps that are asked again.
        unskipped: Steps that had been skipped for want of them.
    """

    run: RunRecord
    steps: int
    unskipped: int


def refuse_to_reopen(run: RunRecord) -> None:
    """Refuses a run whose steps cannot be opened again as it stands.

    Raises:
        WrongStateError: It has neither succeeded nor is it paused.
    """
    if run.state not in _FROM:
        raise WrongStateError(run.name, run.state, _cure(run.state))


def reopen(tx: Transaction, run_id: str, budget: Budget | None = None) -> Reopened:
    """Opens the failed steps of a run again, and sets it going.

    Args:
        tx: Within this transaction, events included.
        run_id: The run.
        budget: Takes the place of the run's, where there is something to open.

    Raises:
        NotFoundError: There is no such run.
        WrongStateError: It has neither succeeded nor is it paused.
    """
    run = find_run(tx, run_id)
    refuse_to_reopen(run)
    steps = {step.key: step for step in _steps(tx, run_id)}
    finished = {key: step.outcome for key, step in steps.items()}
    # What was taken over from another run can be asked again only there.
    chosen = reopening(run.league, finished, judgments_only=bool(run.source_run))
    if not chosen.failed:
        return Reopened(run, 0, 0)
    keys = sorted((*chosen.failed, *chosen.skipped), key=_in_order)
    _move(tx, run_id, keys)
    tx.set_cached(("progress", run_id), load_progress(tx, run_id, run.league))
    add_event(tx, run_id, "reopened", {"steps": [_body(steps[key]) for key in keys]})
    league = run.league if budget is None else replace(run.league, budget=budget)
    run = move_run(tx, run, RunState.RUNNING, reason=_reason(chosen), league=league)
    return Reopened(run, len(chosen.failed), len(chosen.skipped))


def _move(tx: Transaction, run_id: str, keys: Sequence[StepKey]) -> None:
    # A key that is deleted here can be inserted again only by a later transaction.
    lists = [[k.round for k in keys], [str(k.role) for k in keys], [k.participant for k in keys]]
    tx.execute(_EARLIER, [utc_now(), *lists, run_id, run_id, run_id])
    tx.execute(_DELETE, [run_id, *lists])
    put_aside(tx, run_id, keys)


def _steps(tx: Transaction, run_id: str) -> Iterable[StepRecord]:
    sql = f"select {codec.STEP_COLUMNS} from step where run_id = ?"  # noqa: S608
    return map(codec.load_step, tx.execute(sql, [run_id]))


def _in_order(key: StepKey) -> tuple[int, int, str]:
    return key.round, list(Role).index(key.role), key.participant


def _body(step: StepRecord) -> dict[str, Any]:
    return {
        "round": step.key.round,
        "role": str(step.key.role),
        "participant": step.key.participant,
        "outcome": str(step.outcome),
        "cause": step.cause,
    }


def _reason(chosen: Reopening) -> str:
    number = len(chosen.failed)
    said = f"asking {number:,} step{'s' if number > 1 else ''} again"
    if chosen.skipped:
        said += f", and playing {len(chosen.skipped):,} that had waited for them"
    return said


def _cure(state: RunState) -> str:
    if state in {RunState.PENDING, RunState.RUNNING}:
        return "pause it first, or wait for its end"
    return "only a run that has succeeded or is paused can be asked again"
