-- Which version of each seed its table holds (scripts/loaded_seeds.py).
create table if not exists ops.seed_state (
    seed_name text primary key,
    fingerprint text not null,
    loaded_at timestamptz not null default now()
);
comment on table ops.seed_state is
    'One row per seed that a build has loaded and tested: what its files were.';
comment on column ops.seed_state.fingerprint is
    'SHA-256 of its CSV and its description.';

grant select, insert, update on ops.seed_state to retention_transformer;
