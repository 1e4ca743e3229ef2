-- Sums of tokens stop at the largest bigint: providers may tell whatever they
-- like, and the ledger must stay readable.

drop view ledger;

create view ledger as
select run_id, role, participant, count(*) as calls,
    count(*) filter (outcome = 'unavailable') as failed_calls,
    least(coalesce(sum(prompt_tokens), 0), 9223372036854775807)::bigint as prompt_tokens,
    least(coalesce(sum(completion_tokens), 0), 9223372036854775807)::bigint
        as completion_tokens,
    coalesce(sum(cost_usd), 0)::double as cost_usd,
    count(*) filter (cost_usd is null) as unpriced_calls,
    least(coalesce(sum(charged_tokens), 0), 9223372036854775807)::bigint as charged_tokens,
    sum(charged_cost_usd)::double as charged_cost_usd,
    median(latency_s) as median_latency_s
from call group by all;
