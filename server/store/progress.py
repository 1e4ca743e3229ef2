"""How far a run is: counted from the tables once, then kept up with each write."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import duckdb

from server.league.league import League
from server.league.outcome import Outcome
from server.league.schedule import planned_marks, planned_steps
from server.store.database import Transaction
from server.store.records import CallRecord, Progress, StepRecord

# Sums stop at what an integer of the wire and of the database holds: a provider may
# tell whatever it likes, and a run must stay readable for all that.
_MOST = 2**63 - 1
_OF = "run_id in (select unnest(?))"
# What a judging again took over from its source asked nobody in this run.
_STEPS = f"""
select run_id, count(*), count(*) filter (outcome = 'ok'),
    count(*) filter (outcome not in ('ok', 'skipped')
        and (source_run = '' or role = 'judgment'))
from step join run using (run_id) where {_OF} group by run_id
"""  # noqa: S608 - our own names
_FAILURES = f"""
select run_id, cause, count(*) from step where {_OF} and outcome <> 'ok'
group by run_id, cause order by cause
"""  # noqa: S608 - our own names
_CALLS = f"""
select run_id, count(*), least(coalesce(sum(prompt_tokens), 0), {_MOST})::bigint,
    least(coalesce(sum(completion_tokens), 0), {_MOST})::bigint,
    coalesce(sum(cost_usd), 0)::double, count(*) filter (cost_usd is null),
    least(coalesce(sum(charged_tokens), 0), {_MOST})::bigint,
    coalesce(sum(charged_cost_usd), 0)::double
from call where {_OF} group by run_id
"""  # noqa: S608 - our own names
_MARKS = f"select run_id, count(*) from mark where {_OF} group by run_id"  # noqa: S608


def saturated(*numbers: int) -> int:
    """Returns a sum, or the largest integer that is kept and told where it is beyond that."""
    return min(sum(numbers), _MOST)


def no_progress(league: League) -> Progress:
    """Returns the progress of a run of which nothing is there yet."""
    return Progress(total_steps=planned_steps(league), total_marks=planned_marks(league))


class _Query(Protocol):
    def __call__(self, sql: str, parameters: Sequence[Any], /) -> list[tuple[Any, ...]]: ...


def load_progress(
    source: Transaction | duckdb.DuckDBPyConnection, run_id: str, league: League
) -> Progress:
    """Counts a run's progress from the tables."""
    return load_all_progress(source, {run_id: league})[run_id]


def load_all_progress(
    source: Transaction | duckdb.DuckDBPyConnection, leagues: Mapping[str, League]
) -> dict[str, Progress]:
    """Counts the progress of runs from the tables, each of which is read once for all of them.

    Args:
        source: Where they are read.
        leagues: The league of each run, by the run's id.
    """
    query: _Query
    if isinstance(source, Transaction):
        query = source.execute
    else:
        cursor = source

        def query(sql: str, parameters: Sequence[Any], /) -> list[tuple[Any, ...]]:
            return cursor.execute(sql, list(parameters)).fetchall()

    ids = [list(leagues)]
    steps = {row[0]: row[1:] for row in query(_STEPS, ids)}
    calls = {row[0]: row[1:] for row in query(_CALLS, ids)}
    marks = dict(query(_MARKS, ids))
    failures: dict[str, dict[str, int]] = {}
    for run_id, cause, number in query(_FAILURES, ids):
        failures.setdefault(run_id, {})[cause] = number
    return {
        run_id: _progress(
            league,
            steps.get(run_id, _NO_STEPS),
            calls.get(run_id, _NO_CALLS),
            failures.get(run_id, {}),
            marks.get(run_id, 0),
        )
        for run_id, league in leagues.items()
    }


_NO_STEPS = (0, 0, 0)
_NO_CALLS = (0, 0, 0, 0.0, 0, 0, 0.0)


def _progress(
    league: League,
    steps: Sequence[Any],
    calls: Sequence[Any],
    failures: dict[str, int],
    marks: int,
) -> Progress:
    done, ok, failed = steps
    number, prompt, completion, cost, unpriced, tokens, dollars = calls
    return Progress(
        done_steps=done,
        total_steps=planned_steps(league),
        ok_steps=ok,
        calls=number,
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost_usd=cost,
        unpriced_calls=unpriced,
        failures=failures,
        marks=marks,
        total_marks=planned_marks(league),
        charged_tokens=tokens,
        charged_cost_usd=dollars,
        failed_steps=failed,
    )


def after_call(progress: Progress, call: CallRecord) -> Progress:
    """Returns the progress after one more call."""
    return replace(
        progress,
        calls=progress.calls + 1,
        prompt_tokens=saturated(progress.prompt_tokens, call.prompt_tokens or 0),
        completion_tokens=saturated(progress.completion_tokens, call.completion_tokens or 0),
        cost_usd=progress.cost_usd + (call.cost_usd or 0.0),
        unpriced_calls=progress.unpriced_calls + (call.cost_usd is None),
        charged_tokens=saturated(progress.charged_tokens, call.charged_tokens),
        charged_cost_usd=progress.charged_cost_usd + call.charged_cost_usd,
    )


def after_step(progress: Progress, step: StepRecord, marks: int) -> Progress:
    """Returns the progress after one more finished step."""
    failures = progress.failures
    if step.outcome is not Outcome.OK:
        failures = {**failures, step.cause: failures.get(step.cause, 0) + 1}
    return replace(
        progress,
        done_steps=progress.done_steps + 1,
        ok_steps=progress.ok_steps + (step.outcome is Outcome.OK),
        failures=failures,
        marks=progress.marks + marks,
        failed_steps=progress.failed_steps + (step.outcome not in {Outcome.OK, Outcome.SKIPPED}),
    )
