-- What the budget counts of each call, the earlier ends of steps that were
-- asked again, and the ledger for people.

-- Of calls from before there is only what the provider told.
alter table call add column charged_tokens bigint default 0;
alter table call add column charged_cost_usd double default 0;
update call set
    charged_tokens = coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0),
    charged_cost_usd = coalesce(cost_usd, 0);

-- Rows that were moved out of `step` when the step was opened again.
create table retried_step (
    run_id varchar not null,
    round integer not null,
    role varchar not null,
    participant varchar not null,
    outcome varchar not null,
    cause varchar not null,
    detail varchar not null,
    reasks integer not null,
    repaired boolean not null,
    calls integer not null,          -- of all tries up to then
    content json,
    finished_at timestamp not null,
    retry integer not null,          -- which opening again of the step, from 1
    asks integer not null,           -- askings of all tries up to then
    reopened_at timestamp not null,
    primary key (run_id, round, role, participant, retry)
);

drop view cost;

create view ledger as
select run_id, role, participant, count(*) as calls,
    count(*) filter (outcome = 'unavailable') as failed_calls,
    coalesce(sum(prompt_tokens), 0)::bigint as prompt_tokens,
    coalesce(sum(completion_tokens), 0)::bigint as completion_tokens,
    coalesce(sum(cost_usd), 0)::double as cost_usd,
    count(*) filter (cost_usd is null) as unpriced_calls,
    sum(charged_tokens)::bigint as charged_tokens,
    sum(charged_cost_usd)::double as charged_cost_usd,
    median(latency_s) as median_latency_s
from call group by all;
