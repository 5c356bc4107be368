-- What came late or not at all, and what rests on it: nothing is silently old.
create table if not exists ops.source_delivery (
    business_date date not null,
    source text not null,
    due_at timestamptz not null,
    cutoff_at timestamptz not null,
    arrived_at timestamptz,
    missing_extracts text [] not null default '{}',
    unfinished_extracts text [] not null default '{}',
    checked_at timestamptz not null default clock_timestamp(),
    primary key (business_date, source)
);
comment on table ops.source_delivery is
    'One row per business date and source: whether the night found all that it owed.';
comment on column ops.source_delivery.due_at is 'When the contract says it delivers.';
comment on column ops.source_delivery.cutoff_at is 'When the night went on without it.';
comment on column ops.source_delivery.arrived_at is
    'When the last of its files was written; null if any was missing or unfinished.';
comment on column ops.source_delivery.missing_extracts is 'Extracts it owed without a file.';
comment on column ops.source_delivery.unfinished_extracts is
    'Extracts whose files were still changing at the cutoff.';

create table if not exists ops.extract_staleness (
    business_date date not null,
    source text not null,
    extract text not null,
    last_loaded_date date,
    days_old integer,
    is_stale boolean not null,
    cause text,
    assessed_at timestamptz not null default clock_timestamp(),
    primary key (business_date, source, extract),
    constraint stale_for_a_cause check (is_stale = (cause is not null))
);
comment on table ops.extract_staleness is
    'One row per business date and extract: how old the data is that the night works on.';
comment on column ops.extract_staleness.last_loaded_date is
    'Business date of the newest delivery that was loaded; null if there never was one.';
comment on column ops.extract_staleness.is_stale is
    'The newest delivery is older than the contract''s frequency allows.';
comment on column ops.extract_staleness.cause is
    'Why: not delivered, cannot be loaded, a snapshot without rows.';

create table if not exists ops.stale_relation (
    business_date date not null,
    relation text not null,
    source text not null,
    extract text not null,
    last_loaded_date date,
    marked_at timestamptz not null default clock_timestamp(),
    primary key (business_date, relation, source, extract)
);
comment on table ops.stale_relation is
    'One row per business date, relation and stale extract that it rests on.';
comment on column ops.stale_relation.relation is 'Schema and name of a table that others read.';
comment on column ops.stale_relation.last_loaded_date is
    'The relation shows this extract as of this date; null if it was never delivered.';

create or replace view marts.stale_relation as
select
    business_date,
    relation,
    source,
    extract,
    last_loaded_date
from ops.stale_relation;
comment on view marts.stale_relation is
    'One row per business date, relation and stale extract that it rests on (数据未更新).';

grant select, insert, update on ops.source_delivery to retention_loader;
grant select, insert, delete on ops.extract_staleness to retention_loader;
grant select on ops.source_delivery, ops.extract_staleness to retention_transformer;
grant select, insert, delete on ops.stale_relation to retention_transformer;
grant select on marts.stale_relation
    to retention_analyst, retention_transformer, retention_scorer;
