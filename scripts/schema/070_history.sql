-- How far the facts that keep events by day or month are built (scripts/changed_history.py).
create table if not exists ops.history_state (
    extract text primary key,
    earliest_date date not null,
    latest_date date not null check (earliest_date <= latest_date),
    extract_load_id bigint not null
);
comment on table ops.history_state is
    'One row per source.extract that facts keep by day or month: as of which business dates they are built.';
comment on column ops.history_state.earliest_date is
    'Earliest business date that a fact may stand at; equal to the latest unless a build was partial.';
comment on column ops.history_state.extract_load_id is
    'Newest load that was in raw when the facts were last built as a whole.';

grant select, insert, update on ops.history_state to retention_transformer;
