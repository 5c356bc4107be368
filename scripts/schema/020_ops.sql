-- What happened: loads, rejected rows, gate results, steps.
create table if not exists ops.extract_load (
    extract_load_id bigint generated always as identity primary key,
    source text not null,
    extract text not null,
    business_date date not null,
    file text not null,
    sha256 text,
    rows_read bigint not null default 0,
    rows_loaded bigint not null default 0,
    rows_rejected bigint not null default 0,
    status text not null check (status in ('loaded', 'failed', 'superseded', 'expired')),
    warning text,
    error text,
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp(),
    constraint nothing_lost check (rows_read = rows_loaded + rows_rejected)
);
comment on table ops.extract_load is
    'One row per file and attempt to load it: the ledger of everything delivered.';
comment on column ops.extract_load.status is
    'loaded: its rows are in raw. failed: nothing of it was loaded. superseded: a later delivery for
    the same date took its place. expired: its rows were deleted when their retention was over.';
create index if not exists extract_load_by_date
    on ops.extract_load (source, extract, business_date);

create table if not exists raw.rejected_row (
    source text not null,
    extract text not null,
    business_date date not null,
    file text not null,
    line bigint not null,
    column_name text,
    value text,
    reason text not null,
    original_text text not null,
    rejected_at timestamptz not null default now()
);
comment on table raw.rejected_row is
    'One row per delivered row that breaks its contract, with its original text.';
create index if not exists rejected_row_by_date
    on raw.rejected_row (source, extract, business_date);

create table if not exists ops.gate_result (
    gate text not null,
    business_date date not null,
    subject text not null,
    expectation text not null,
    severity text not null check (severity in ('error', 'warning')),
    is_success boolean not null,
    observed text,
    checked_at timestamptz not null default now(),
    primary key (gate, business_date, subject, expectation)
);
comment on table ops.gate_result is
    'One row per gate, business date, table and expectation: the latest verdict.';

create table if not exists ops.step_run (
    step_run_id bigint generated always as identity primary key,
    business_date date not null,
    step text not null,
    status text not null check (status in ('success', 'skipped', 'failed')),
    message text,
    counts jsonb not null default '{}',
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp()
);
comment on table ops.step_run is 'One row per run of a pipeline step, with its counts.';
create index if not exists step_run_by_date on ops.step_run (business_date, step);

grant select, insert, update on ops.extract_load to retention_loader;
grant usage on sequence ops.extract_load_extract_load_id_seq to retention_loader;
grant select, insert, delete on raw.rejected_row to retention_loader;
grant select, insert, update, delete on ops.gate_result
    to retention_loader, retention_transformer;
grant select, insert on ops.step_run
    to retention_loader, retention_transformer, retention_scorer;
grant select on ops.extract_load, raw.rejected_row to retention_transformer;
