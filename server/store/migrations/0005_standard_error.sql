-- How much a program printed on standard error, of which a part is kept.

-- Of executions from before there is only what was kept, up to 8 KiB; what has
-- that size, or was cut for want of room, may have been longer.
alter table case_run add column error_bytes bigint default 0;
alter table case_run add column error_cut boolean default false;
update case_run set
    error_bytes = octet_length(stderr),
    error_cut = octet_length(stderr) in (8192, 256);
