-- Who let a call list go, and who took it back.
create table if not exists dialer.list_approval (
    business_date date not null,
    revisit_tag text not null,
    task_count integer not null check (task_count > 0),
    plan_digest text not null,
    approved_by text not null check (approved_by <> ''),
    approved_at timestamptz not null default now(),
    primary key (business_date, revisit_tag)
);
comment on table dialer.list_approval is
    'One row per night and revisit tag: a planned list that somebody approved (名单审批).';
comment on column dialer.list_approval.plan_digest is
    'Digest of the customers that were approved; the approval holds for these alone.';
comment on column dialer.list_approval.approved_by is 'Member of staff who approved it (审批工号).';

create table if not exists dialer.list_pull_back (
    call_list_id bigint primary key references dialer.call_list,
    task_count integer not null,
    pulled_back_by text not null check (pulled_back_by <> ''),
    reason text not null check (reason <> ''),
    pulled_back_at timestamptz not null default now()
);
comment on table dialer.list_pull_back is
    'One row per published list that was pulled back before anything of it was called (名单撤回).';
comment on column dialer.list_pull_back.task_count is 'Tasks that were open and are withdrawn now.';
comment on column dialer.list_pull_back.pulled_back_by is
    'Member of staff who pulled it back (撤回工号).';

create table if not exists dialer.list_adjustment (
    list_adjustment_id bigint generated always as identity primary key,
    business_date date not null,
    revisit_tag text not null,
    customer_id text not null,
    is_added boolean not null,
    adjusted_by text not null check (adjusted_by <> ''),
    reason text not null check (reason <> ''),
    adjusted_at timestamptz not null default clock_timestamp()
);
comment on table dialer.list_adjustment is
    'One row per customer whom somebody added to a planned list or took out of it (名单调整); the last
    one holds. Append-only.';
comment on column dialer.list_adjustment.adjusted_by is 'Member of staff who did it (调整工号).';

grant select, insert, update on dialer.list_approval to retention_transformer;
grant select, insert on dialer.list_pull_back, dialer.list_adjustment to retention_transformer;
grant select on dialer.list_approval, dialer.list_pull_back, dialer.list_adjustment
    to retention_dialer, retention_supervisor;

-- The decision log of an earlier release had one row per customer; since then it has one for each
-- campaign that he is a candidate for. Its campaigns were its tags.
do $$
declare
    key_name text;
begin
    if to_regclass('marts.fct_retention_decision') is null or exists (
        select 1 from information_schema.columns
        where
            table_schema = 'marts'
            and table_name = 'fct_retention_decision'
            and column_name = 'campaign_code'
    ) then
        return;
    end if;
    select constraint_name into key_name
    from information_schema.table_constraints
    where
        table_schema = 'marts'
        and table_name = 'fct_retention_decision'
        and constraint_type = 'PRIMARY KEY';
    if key_name is not null then
        execute format('alter table marts.fct_retention_decision drop constraint %I', key_name);
    end if;
    alter table marts.fct_retention_decision add campaign_code text;
    update marts.fct_retention_decision set campaign_code = revisit_tag;
    alter table marts.fct_retention_decision
        add primary key (business_date, customer_id, campaign_code);
end;
$$;
