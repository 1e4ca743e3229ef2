-- Everything that a run produced. Rows of step, call, mark and event are
-- written once and never changed; only `run` has columns that move.
-- Times are UTC without time zone. There are no secondary indexes: primary
-- keys and zone maps serve every query here.

create table prompt_set (
    sha256 varchar primary key,
    subject varchar not null,
    texts json not null              -- prompt by role
);

create table run (
    run_id varchar primary key,
    number bigint not null,          -- order of creation, from 1
    league json not null,
    state varchar not null check (state in (
        'pending', 'running', 'paused', 'cancelling', 'succeeded', 'failed', 'cancelled')),
    state_reason varchar not null default '',
    failure json,
    prompts_sha256 varchar not null,
    source_run varchar not null default '',
    server_version varchar not null,
    settings json not null,          -- what the server's settings said, without secrets
    created_at timestamp not null,
    started_at timestamp,
    ended_at timestamp
);

create table request (
    request_id varchar primary key,
    content_sha256 varchar not null,
    run_id varchar not null
);

create table step (
    run_id varchar not null,
    round integer not null,
    role varchar not null,           -- question, answer, judgment
    participant varchar not null,
    outcome varchar not null,        -- ok, refused, unparsable, truncated, unavailable, skipped
    cause varchar not null default '',
    detail varchar not null default '',
    reasks integer not null default 0,
    repaired boolean not null default false,
    calls integer not null default 0,
    content json,                    -- the question or the answer as it was read
    finished_at timestamp not null,
    primary key (run_id, round, role, participant)
);

create table call (
    run_id varchar not null,
    round integer not null,
    role varchar not null,
    participant varchar not null,
    ask integer not null,            -- which asking of the step, from 0
    attempt integer not null,        -- which attempt at that asking, from 0
    sequence bigint not null,        -- order in which the run's calls ended, from 1
    outcome varchar not null,
    cause varchar not null default '',
    detail varchar not null default '',
    http_status integer,
    finish_reason varchar not null default '',
    prompt_tokens bigint,
    cached_tokens bigint,
    completion_tokens bigint,
    reasoning_tokens bigint,
    cost_usd double,
    latency_s double not null,
    first_token_s double,
    started_at timestamp not null,
    served_model varchar not null default '',
    response_format varchar not null default '',
    request_sha256 varchar not null default '',
    prompt json not null,            -- the messages that were sent
    raw_reply varchar not null default '',
    primary key (run_id, round, role, participant, ask, attempt)
);

create table mark (
    run_id varchar not null,
    round integer not null,
    judge varchar not null,
    answerer varchar not null,
    label varchar not null,
    position integer not null,
    rank double,
    score double,
    points double,
    share double,
    reason varchar not null default '',
    primary key (run_id, round, judge, answerer)
);

create table event (
    run_id varchar not null,
    sequence bigint not null,        -- from 1, without gaps
    happened_at timestamp not null,
    kind varchar not null,           -- state, step, preparation
    body json not null,
    progress json not null,          -- where the run stood just after the event
    primary key (run_id, sequence)
);

-- For people who open the file in the duckdb shell.

create view question as
select run_id, round, participant as setter, outcome, cause,
    content ->> 'text' as question,
    content ->> 'reference_answer' as reference_answer,
    content ->> 'marking_scheme' as marking_scheme,
    content ->> 'principle' as principle
from step where role = 'question';

create view answer as
select a.run_id, a.round, q.participant as setter, a.participant as answerer,
    a.outcome, a.cause,
    a.content ->> 'text' as answer,
    a.content ->> 'final_answer' as final_answer
from step a join step q
    on q.run_id = a.run_id and q.round = a.round and q.role = 'question'
where a.role = 'answer';

-- Mean of the marks that arrived, with how many they are.
create view round_score as
select m.run_id, m.round, q.participant as setter, m.answerer,
    avg(coalesce(m.points, m.score)) as score, avg(m.share) as share, count(*) as marks
from mark m join step q
    on q.run_id = m.run_id and q.round = m.round and q.role = 'question'
group by all;

create view answer_score as
select run_id, answerer, avg(score) as score, avg(share) as share,
    sum(marks)::bigint as marks, count(*) as rounds
from round_score group by all;

create view question_score as
select run_id, setter, avg(score) as score, sum(marks)::bigint as marks, count(*) as answers
from round_score group by all;

create view cost as
select run_id, role, participant, count(*) as calls,
    sum(prompt_tokens)::bigint as prompt_tokens,
    sum(completion_tokens)::bigint as completion_tokens,
    sum(cost_usd) as cost_usd,
    count(*) filter (cost_usd is null) as unpriced_calls,
    median(latency_s) as median_latency_s
from call group by all;
