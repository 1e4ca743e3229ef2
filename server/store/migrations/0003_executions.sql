-- What programs did: the cases of questions, each execution with each of its
-- cases, and the cases on which answers agree against the reference.
--
-- Rows are written in the transaction of their step, whose key keeps them
-- single; they have none of their own. `reopened` counts how often that step was
-- opened again since: 0 for what counts.

create table question_case (
    run_id varchar not null,
    round integer not null,
    number integer not null,         -- place among those that the setter gave, from 1
    name varchar not null,
    input blob not null,
    expected blob not null,          -- what the reference printed; empty of a dropped case
    dropped varchar not null,        -- why it is not used; empty if it is kept
    generated boolean not null,      -- the question's generator printed its input
    reopened integer not null default 0
);

create table execution (
    run_id varchar not null,
    round integer not null,
    participant varchar not null,
    purpose varchar not null,        -- reference, reference_again, generator, answer
    attempt integer not null,        -- version of the question, from 0
    language varchar not null,
    basis varchar not null,          -- how the language was told
    source varchar not null,
    compile_verdict varchar not null,
    compile_message varchar not null,
    compile_s double not null,
    toolchain varchar not null,
    reopened integer not null default 0
);

create table case_run (
    run_id varchar not null,
    round integer not null,
    participant varchar not null,
    purpose varchar not null,
    attempt integer not null,
    number integer not null,         -- of the question's case
    name varchar not null,
    verdict varchar not null,
    exit_status integer,
    signal integer,
    cpu_s double not null,
    wall_s double not null,
    peak_memory_bytes bigint not null,
    stdout blob not null,            -- cut to a bound; output_bytes is all of it
    stderr blob not null,
    output_bytes bigint not null,
    output_cut boolean not null,
    digest varchar not null,         -- equal outputs, equal digests
    detail varchar not null,
    reopened integer not null default 0
);

create table dispute (
    run_id varchar not null,
    round integer not null,
    number integer not null          -- of the question's case
);

-- For people who open the file in the duckdb shell.

-- Every answer's program on every case that its question kept.
create view answer_case as
select e.run_id, e.round, e.participant as answerer, e.language, c.number, c.name,
    case
        when e.compile_verdict <> 'accepted' then e.compile_verdict
        else coalesce(r.verdict, 'sandbox_error')
    end as verdict,
    d.number is not null as disputed,
    r.cpu_s, r.wall_s, r.peak_memory_bytes
from execution e
join question_case c
    on c.run_id = e.run_id and c.round = e.round and c.dropped = '' and c.reopened = 0
left join case_run r
    on r.run_id = e.run_id and r.round = e.round and r.participant = e.participant
    and r.purpose = e.purpose and r.attempt = e.attempt and r.number = c.number
    and r.reopened = 0
left join dispute d
    on d.run_id = e.run_id and d.round = e.round and d.number = c.number
where e.purpose = 'answer' and e.reopened = 0;

-- Disputed cases, and those on which the sandbox itself failed, say nothing of
-- a program: they are neither passed nor counted.
create view pass_rate as
select run_id, round, answerer,
    count(*) filter (verdict = 'accepted' and not disputed) as passed,
    count(*) filter (verdict <> 'sandbox_error' and not disputed) as cases,
    count(*) filter (disputed) as disputed,
    passed / nullif(cases, 0) as pass_rate
from answer_case group by all;

create view verdict_mix as
select run_id, answerer, verdict, count(*) as cases, count(*) filter (disputed) as disputed
from answer_case group by all;
