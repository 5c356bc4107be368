-- Schemas and who may do what in them. Roles are created by scripts/migrations.py, before this file.
create schema if not exists raw;
create schema if not exists staging;
create schema if not exists intermediate;
create schema if not exists marts;
create schema if not exists ml;
create schema if not exists dialer;
create schema if not exists ops;

revoke all on schema public from public;

-- The loader fills raw, where it makes and drops a partition a month, and keeps the ledger.
grant usage on schema raw, ops to retention_loader;
grant create on schema raw to retention_loader;

-- The transformer (dbt, publishing) reads raw, owns the models, fills the dialer's tables.
grant usage on schema raw, ml, dialer, ops to retention_transformer;
grant usage, create on schema staging, intermediate, marts to retention_transformer;

-- The scorer reads features and appends scores.
grant usage on schema marts, ml, ops to retention_scorer;

-- The analyst reads marts; the dialer sees its own schema alone.
grant usage on schema marts to retention_analyst;
grant usage on schema dialer to retention_dialer;

alter default privileges for role retention_transformer in schema marts
    grant select on tables to retention_analyst, retention_scorer;
