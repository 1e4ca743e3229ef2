"""How far a run is: counted from the tables once, then kept up with each write."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import duckdb

from server.league.league import League
from server.league.outcome import Outcome
from server.league.schedule import planned_marks, planned_steps
from server.store.database import Transaction
from server.store.records import CallRecord, Progress, StepRecord

# What a judging again took over from its source asked nobody in this run.
_STEPS = """
select count(*), count(*) filter (outcome = 'ok'),
    count(*) filter (outcome not in ('ok', 'skipped')
        and (source_run = '' or role = 'judgment'))
from step join run using (run_id) where run_id = ?
"""
_FAILURES = """
select cause, count(*) from step where run_id = ? and outcome <> 'ok' group by cause order by cause
"""
_CALLS = """
select count(*), coalesce(sum(prompt_tokens), 0)::bigint,
    coalesce(sum(completion_tokens), 0)::bigint, coalesce(sum(cost_usd), 0)::double,
    count(*) filter (cost_usd is null), coalesce(sum(charged_tokens), 0)::bigint,
    coalesce(sum(charged_cost_usd), 0)::double
from call where run_id = ?
"""


def no_progress(league: League) -> Progress:
    """Returns the progress of a run of which nothing is there yet."""
    return Progress(total_steps=planned_steps(league), total_marks=planned_marks(league))


class _Query(Protocol):
    def __call__(self, sql: str, parameters: Sequence[Any], /) -> list[tuple[Any, ...]]: ...


def load_progress(
    source: Transaction | duckdb.DuckDBPyConnection, run_id: str, league: League
) -> Progress:
    """Counts a run's progress from the tables."""
    query: _Query
    if isinstance(source, Transaction):
        query = source.execute
    else:
        cursor = source

        def query(sql: str, parameters: Sequence[Any], /) -> list[tuple[Any, ...]]:
            return cursor.execute(sql, list(parameters)).fetchall()

    done, ok, failed = query(_STEPS, [run_id])[0]
    calls, prompt, completion, cost, unpriced, tokens, dollars = query(_CALLS, [run_id])[0]
    return Progress(
        done_steps=done,
        total_steps=planned_steps(league),
        ok_steps=ok,
        calls=calls,
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost_usd=cost,
        unpriced_calls=unpriced,
        failures=dict(query(_FAILURES, [run_id])),
        marks=query("select count(*) from mark where run_id = ?", [run_id])[0][0],
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
        prompt_tokens=progress.prompt_tokens + (call.prompt_tokens or 0),
        completion_tokens=progress.completion_tokens + (call.completion_tokens or 0),
        cost_usd=progress.cost_usd + (call.cost_usd or 0.0),
        unpriced_calls=progress.unpriced_calls + (call.cost_usd is None),
        charged_tokens=progress.charged_tokens + call.charged_tokens,
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
