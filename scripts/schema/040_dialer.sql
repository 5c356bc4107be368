-- What is to be called and what came of it. Plain tables, never rebuilt by dbt: a rebuild would
-- drop the views on them and lock the dialer out.
--
-- A task (回访任务) lives so:
--
--     open ──claim──> claimed ──reached──────────────> succeeded   (回访成功池)
--      ^                 │ not reached, attempts left
--      └── due later ────┤
--                        └── not reached, none left ─> failed      (回访失败池)
--
-- A dialer that works from exported files skips the claim. `withdrawn` is closed by the house.
-- Functions here run as their owner: the dialer may claim and record, never write the tables. What
-- supervisors may do besides is in 045_supervisor.sql.

create table if not exists dialer.outcome_code (
    outcome_code text primary key,
    outcome_name text not null,
    outcome_name_zh text not null,
    is_reached boolean not null
);
comment on table dialer.outcome_code is
    'One row per outcome of a call (回访结果); kept equal to seeds/call_outcome.csv.';
comment on column dialer.outcome_code.is_reached is
    'The customer answered, so the revisit succeeded, whatever the answer was (接通).';

create table if not exists dialer.call_rule (
    rule_name text primary key,
    rule_value numeric not null,
    unit text not null,
    description text not null,
    requirement text not null
);
comment on table dialer.call_rule is
    'One row per rule of revisiting (回访规则); kept equal to seeds/call_rule.csv.';

create table if not exists dialer.call_list (
    call_list_id bigint generated always as identity primary key,
    business_date date not null,
    revisit_tag text not null check (revisit_tag <> ''),
    task_count integer not null default 0 check (task_count >= 0),
    published_at timestamptz not null default now(),
    unique (business_date, revisit_tag),
    unique (call_list_id, business_date, revisit_tag)
);
comment on table dialer.call_list is
    'One row per night and revisit tag: a published call list (外呼名单).';
comment on column dialer.call_list.revisit_tag is 'The kind of revisit (回访标签).';

create table if not exists dialer.call_task (
    call_task_id bigint generated always as identity primary key,
    call_list_id bigint not null,
    business_date date not null,
    customer_id text not null check (customer_id <> ''),
    subscription_id text,
    revisit_tag text not null,
    phone_number text not null check (phone_number <> ''),
    customer_name text,
    region text,
    customer_grade text not null default 'other' check (customer_grade in ('mid_high_end', 'other')),
    priority_rank integer not null check (priority_rank > 0),
    random_order bigint not null
        generated always as (hashtextextended(customer_id, call_list_id)) stored,
    agent_hint text,
    status text not null default 'open'
        check (status in ('open', 'claimed', 'succeeded', 'failed', 'withdrawn')),
    agent_id text check (agent_id <> ''),
    assigned_agent_id text check (assigned_agent_id <> ''),
    owner_agent_id text generated always as (
        case when attempt_count > 0 then agent_id else assigned_agent_id end
    ) stored,
    due_at timestamptz not null,
    lease_expires_at timestamptz,
    attempt_count smallint not null default 0 check (attempt_count between 0 and 3),
    closed_at timestamptz,
    created_at timestamptz not null default now(),
    unique (call_list_id, customer_id),
    foreign key (call_list_id, business_date, revisit_tag)
        references dialer.call_list (call_list_id, business_date, revisit_tag),
    constraint closed_when_done
        check ((closed_at is not null) = (status in ('succeeded', 'failed', 'withdrawn'))),
    constraint leased_when_claimed check ((lease_expires_at is not null) = (status = 'claimed')),
    constraint agent_when_claimed_or_called
        check (agent_id is not null or (status <> 'claimed' and attempt_count = 0)),
    constraint called_when_decided
        check (status not in ('succeeded', 'failed') or attempt_count > 0),
    constraint waits_only_with_attempts_left
        check (status not in ('open', 'claimed') or attempt_count < 3)
);

-- What the table of an earlier release lacks. Asked first: `alter table` locks readers out.
do $$
begin
    if not exists (
        select 1 from information_schema.columns
        where
            table_schema = 'dialer'
            and table_name = 'call_task'
            and column_name = 'owner_agent_id'
    ) then
        drop view if exists dialer.pool_success;
        drop index if exists dialer.call_task_to_claim, dialer.call_attempt_by_time;
        alter table dialer.call_task
            add customer_grade text not null default 'other'
                check (customer_grade in ('mid_high_end', 'other')),
            add random_order bigint not null
                generated always as (hashtextextended(customer_id, call_list_id)) stored,
            add assigned_agent_id text check (assigned_agent_id <> ''),
            add owner_agent_id text generated always as (
                case when attempt_count > 0 then agent_id else assigned_agent_id end
            ) stored;
    end if;
end;
$$;

comment on table dialer.call_task is 'One row per customer on a call list: a call task (回访任务).';
comment on column dialer.call_task.customer_grade is
    'Grade of the customer (任务分级): mid_high_end for the high and mid value tiers.';
comment on column dialer.call_task.random_order is
    'Order within a rank: random, and the same whoever asks (随机展示).';
comment on column dialer.call_task.agent_id is
    'Who claimed the task; from the first attempt on the agent who keeps it (工号).';
comment on column dialer.call_task.assigned_agent_id is
    'To whom a supervisor gave the task; null if to nobody (指派工号).';
comment on column dialer.call_task.owner_agent_id is
    'The only agent who gets the task: who has called, else who was given it; null: anybody.';
comment on column dialer.call_task.due_at is 'Not to be called before (预回访时间).';
comment on column dialer.call_task.lease_expires_at is
    'A claimed task goes back to the pool at this time unless an attempt was recorded.';
comment on column dialer.call_task.priority_rank is 'Place on the night''s list, 1 is called first.';
comment on column dialer.call_task.agent_hint is 'What the agent should know before calling.';

-- A customer is in the hands of one task at a time, whatever its night or tag.
create unique index if not exists call_task_open_customer
    on dialer.call_task (customer_id) where status in ('open', 'claimed');
-- Claims read each of these from its start and stop at their limit.
create index if not exists call_task_common
    on dialer.call_task (priority_rank, random_order)
    where status = 'open' and owner_agent_id is null;
create index if not exists call_task_owned
    on dialer.call_task (owner_agent_id) where status = 'open' and owner_agent_id is not null;
create index if not exists call_task_leased
    on dialer.call_task (lease_expires_at) where status = 'claimed';
create index if not exists call_task_by_date on dialer.call_task (business_date);

create table if not exists dialer.call_attempt (
    call_task_id bigint not null references dialer.call_task,
    attempt_number smallint not null check (attempt_number between 1 and 3),
    call_id text not null unique check (call_id <> ''),
    agent_id text not null check (agent_id <> ''),
    called_at timestamptz not null,
    outcome_code text not null references dialer.outcome_code,
    talk_seconds integer not null check (talk_seconds >= 0),
    next_call_at timestamptz check (next_call_at > called_at),
    recorded_at timestamptz not null default now(),
    primary key (call_task_id, attempt_number)
);
comment on table dialer.call_attempt is
    'One row per call made for a task (回访记录), numbered as they were recorded.';
comment on column dialer.call_attempt.agent_id is 'Who called (工号).';
comment on column dialer.call_attempt.next_call_at is
    'When the next attempt is due (预回访时间); null when this one closed the task.';
create index if not exists call_attempt_by_date
    on dialer.call_attempt (((called_at at time zone 'Asia/Shanghai')::date));

create table if not exists dialer.unmatched_outcome (
    business_date date not null,
    file text not null,
    call_id text not null,
    call_task_id bigint not null,
    reason text not null,
    recorded_at timestamptz not null default now(),
    primary key (business_date, file, call_id, call_task_id, reason)
);
comment on table dialer.unmatched_outcome is
    'One row per delivered outcome that could not be applied to a task (未匹配回访结果), and why.';

-- "Back to the same 工号" (OUT-10): nothing hands a task on once its agent has called, unless a
-- supervisor gives it to somebody else.
create or replace function dialer.keep_agent() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'call task %: agent % has called and keeps the task', old.call_task_id,
        old.agent_id
        using errcode = 'check_violation';
end;
$$;

create or replace trigger call_task_keeps_agent
before update on dialer.call_task
for each row
when (
    old.attempt_count > 0
    and old.agent_id is distinct from new.agent_id
    and new.agent_id is distinct from new.assigned_agent_id
)
execute function dialer.keep_agent();

-- A task succeeds because a call reached the customer, and fails because none did (OUT-09, OUT-11).
create or replace function dialer.check_decision() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if (new.status = 'succeeded') is distinct from exists (
        select 1
        from dialer.call_attempt as attempt
        inner join dialer.outcome_code as outcome using (outcome_code)
        where attempt.call_task_id = new.call_task_id and outcome.is_reached
    ) then
        raise exception 'call task %: % is not what its calls say', new.call_task_id, new.status
            using errcode = 'check_violation';
    end if;
    return new;
end;
$$;

create or replace trigger call_task_is_decided_by_its_calls
before update on dialer.call_task
for each row
when (new.status in ('succeeded', 'failed') and old.status is distinct from new.status)
execute function dialer.check_decision();

-- Whether customers may be called at a moment, by the operator's clock.
create or replace function dialer.is_calling_hour(moment timestamptz) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    local_hour numeric
        := extract(epoch from (moment at time zone 'Asia/Shanghai')::time) / 3600;
    first_hour numeric;
    last_hour numeric;
begin
    select rule.rule_value into strict first_hour
    from dialer.call_rule as rule where rule.rule_name = 'first_call_hour';
    select rule.rule_value into strict last_hour
    from dialer.call_rule as rule where rule.rule_name = 'last_call_hour';
    return local_hour >= first_hour and local_hour < last_hour;
end;
$$;
comment on function dialer.is_calling_hour is
    'Whether a moment lies in the calling hours, from first_call_hour to last_call_hour (外呼时段).';

-- Due tasks for one agent, in the order to work them; none in quiet hours. Agents who ask at the
-- same moment never get the same task: each locks what it takes and skips what others have locked.
-- First comes what is the agent's own: nobody else may do it. Then the common list in its order,
-- within a rank at random (OUT-13), of one grade, tag or region if one is named (OUT-20, OUT-22).
-- A task whose lease is over goes back first, to its own agent or to all.
drop function if exists dialer.claim_tasks(text, integer);
create or replace function dialer.claim_tasks(
    agent_id text,
    task_limit integer,
    customer_grade text default null,
    revisit_tag text default null,
    region text default null
)
returns setof dialer.call_task
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
-- The list is read in the order of its index up to the limit, whatever the planner expects to find,
-- and planned once a session.
set enable_sort = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    turnstile constant bigint := 20260433;
    most integer := greatest(coalesce(claim_tasks.task_limit, 0), 0);
    lease_end timestamptz;
begin
    if not dialer.is_calling_hour(now()) then
        return;
    end if;
    select now() + rule.rule_value * interval '1 minute' into strict lease_end
    from dialer.call_rule as rule where rule.rule_name = 'lease_minutes';

    -- One at a time, until the tasks are marked and not until that is on disk: fifty who lock and skip
    -- the same rows cost each other more than they would wait.
    perform pg_advisory_lock(turnstile);
    begin
        with given_back as (
            select call_task_id
            from dialer.call_task
            where status = 'claimed' and lease_expires_at <= now()
            for update skip locked
        )

        update dialer.call_task as task
        set status = 'open', lease_expires_at = null, agent_id = owner_agent_id
        from given_back
        where task.call_task_id = given_back.call_task_id;

        return query
        with own as (
            select call_task_id
            from dialer.call_task
            where
                status = 'open'
                and owner_agent_id = claim_tasks.agent_id
                and due_at <= now()
            order by attempt_count > 0 desc, priority_rank, random_order
            limit most
            for update skip locked
        ),

        common as (
            select call_task_id
            from dialer.call_task as task
            where
                status = 'open'
                and owner_agent_id is null
                and due_at <= now()
                and (
                    claim_tasks.customer_grade is null
                    or task.customer_grade = claim_tasks.customer_grade
                )
                and (claim_tasks.revisit_tag is null or task.revisit_tag = claim_tasks.revisit_tag)
                and (claim_tasks.region is null or task.region = claim_tasks.region)
            order by priority_rank, random_order
            limit most - (select count(*) from own)
            for update skip locked
        ),

        claimed as (
            update dialer.call_task as task
            set status = 'claimed', agent_id = claim_tasks.agent_id, lease_expires_at = lease_end
            where task.call_task_id in (select call_task_id from own union all table common)
            returning task.*
        )

        select *
        from claimed
        order by attempt_count > 0 desc, owner_agent_id is null, priority_rank, random_order;
    exception when others or query_canceled then
        perform pg_advisory_unlock(turnstile);
        raise;
    end;
    perform pg_advisory_unlock(turnstile);
end;
$$;
comment on function dialer.claim_tasks is
    'Hand at most task_limit due tasks to an agent, for lease_minutes, in calling hours (领取任务).';

-- Write down one call and move its task. Says what it did:
--   recorded               the attempt counts
--   duplicate              this call is already recorded for this task; nothing changed
--   unknown_task, unknown_outcome
--   call_id_of_other_task  the dialer used one call id for two tasks
--   task_closed            the task was closed before (a fourth call, or one after success)
--   called_before_list     the call is older than the list, so it belongs to something else
--   incomplete             a value is missing or negative
-- Only 'recorded' changes anything. A next_call_at that does not lie after the call says nothing
-- and gives way to the default. A call delivered after a later one of the same task counts, but
-- leaves the due time that the later one set.
create or replace function dialer.record_attempt(
    call_task_id bigint,
    call_id text,
    agent_id text,
    called_at timestamptz,
    outcome_code text,
    talk_seconds integer,
    next_call_at timestamptz default null
)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    task dialer.call_task;
    task_of_call bigint;
    is_reached boolean;
    is_last boolean;
    last_called_at timestamptz;
    next_due_at timestamptz;
begin
    if record_attempt.called_at is null
        or coalesce(record_attempt.call_id, '') = ''
        or coalesce(record_attempt.agent_id, '') = ''
        or coalesce(record_attempt.talk_seconds, -1) < 0
    then
        return 'incomplete';
    end if;

    select outcome.is_reached into is_reached
    from dialer.outcome_code as outcome
    where outcome.outcome_code = record_attempt.outcome_code;
    if not found then
        return 'unknown_outcome';
    end if;

    select * into task
    from dialer.call_task as candidate
    where candidate.call_task_id = record_attempt.call_task_id
    for update;
    if not found then
        return 'unknown_task';
    end if;

    select attempt.call_task_id into task_of_call
    from dialer.call_attempt as attempt
    where attempt.call_id = record_attempt.call_id;
    if found then
        return case
            when task_of_call = task.call_task_id then 'duplicate' else 'call_id_of_other_task'
        end;
    end if;

    if task.closed_at is not null then
        return 'task_closed';
    end if;
    if record_attempt.called_at
        < (task.business_date + 1)::timestamp at time zone 'Asia/Shanghai'
    then
        return 'called_before_list';
    end if;

    select max(attempt.called_at) into last_called_at
    from dialer.call_attempt as attempt
    where attempt.call_task_id = task.call_task_id;

    select task.attempt_count + 1 >= rule.rule_value into strict is_last
    from dialer.call_rule as rule
    where rule.rule_name = 'max_attempts';

    if not is_reached and not is_last then
        select case
            when record_attempt.called_at < last_called_at
                then task.due_at
            when record_attempt.next_call_at > record_attempt.called_at
                then record_attempt.next_call_at
            else record_attempt.called_at + rule.rule_value * interval '1 day'
        end into strict next_due_at
        from dialer.call_rule as rule
        where rule.rule_name = 'retry_after_days';
    end if;

    insert into dialer.call_attempt as attempt (
        call_task_id, attempt_number, call_id, agent_id, called_at, outcome_code, talk_seconds,
        next_call_at
    ) values (
        task.call_task_id, task.attempt_count + 1, record_attempt.call_id,
        record_attempt.agent_id, record_attempt.called_at, record_attempt.outcome_code,
        record_attempt.talk_seconds, next_due_at
    )
    on conflict on constraint call_attempt_call_id_key do nothing;
    if not found then  -- another task's attempt took the call id a moment ago
        return 'call_id_of_other_task';
    end if;

    update dialer.call_task
    set
        status = case
            when is_reached then 'succeeded' when is_last then 'failed' else 'open'
        end,
        agent_id = case
            when task.attempt_count > 0 then task.agent_id
            else coalesce(task.assigned_agent_id, record_attempt.agent_id)
        end,
        due_at = coalesce(next_due_at, task.due_at),
        lease_expires_at = null,
        attempt_count = task.attempt_count + 1,
        closed_at = case
            when is_reached or is_last then greatest(record_attempt.called_at, last_called_at)
        end
    where dialer.call_task.call_task_id = task.call_task_id;
    return 'recorded';
end;
$$;
comment on function dialer.record_attempt is
    'Record one call for a task and move the task to its next pool (登记回访结果).';

-- The five pools of OUT-07. Every task is in the total pool; the others say where it stands.
create or replace view dialer.pool_total as
select call_task.*
from dialer.call_task;
comment on view dialer.pool_total is 'One row per call task, whatever its state (总任务池).';

create or replace view dialer.pool_success as
select
    call_task.*,
    call_attempt.outcome_code,
    call_attempt.called_at
from dialer.call_task
inner join dialer.call_attempt
    on
        call_task.call_task_id = call_attempt.call_task_id
        and call_task.attempt_count = call_attempt.attempt_number
where call_task.status = 'succeeded';
comment on view dialer.pool_success is
    'One row per call task whose customer was reached, accepting or refusing (回访成功池).';

create or replace view dialer.pool_failed as
select call_task.*
from dialer.call_task
where call_task.status = 'failed';
comment on view dialer.pool_failed is
    'One row per call task closed after three attempts, none of which reached (回访失败池).';

create or replace view dialer.pool_second as
select call_task.*
from dialer.call_task
where call_task.status in ('open', 'claimed') and call_task.attempt_count = 1;
comment on view dialer.pool_second is
    'One row per call task that waits for its second attempt (二次回访池).';

create or replace view dialer.pool_third as
select call_task.*
from dialer.call_task
where call_task.status in ('open', 'claimed') and call_task.attempt_count = 2;
comment on view dialer.pool_third is
    'One row per call task that waits for its third attempt (三次回访池).';

-- Earlier calls, found by the days on which they were made (回访历史查询); no number in it.
create or replace view dialer.revisit as
select
    call_attempt.call_task_id,
    call_task.business_date,
    call_task.revisit_tag,
    call_task.customer_id,
    call_task.region,
    call_task.status as task_status,
    call_task.owner_agent_id,
    call_attempt.attempt_number,
    call_attempt.call_id,
    call_attempt.agent_id,
    (call_attempt.called_at at time zone 'Asia/Shanghai')::date as called_date,
    call_attempt.called_at,
    call_attempt.outcome_code,
    outcome_code.outcome_name_zh,
    outcome_code.is_reached,
    call_attempt.talk_seconds,
    call_attempt.next_call_at
from dialer.call_attempt
inner join dialer.call_task on call_attempt.call_task_id = call_task.call_task_id
inner join dialer.outcome_code on call_attempt.outcome_code = outcome_code.outcome_code;
comment on view dialer.revisit is
    'One row per call made for a task, with the task: ask by called_date (回访历史).';

revoke all on function
    dialer.keep_agent(),
    dialer.check_decision(),
    dialer.is_calling_hour(timestamptz),
    dialer.claim_tasks(text, integer, text, text, text),
    dialer.record_attempt(bigint, text, text, timestamptz, text, integer, timestamptz)
from public;

-- The transformer publishes, and dbt reads what became of the calls.
grant select on all tables in schema dialer to retention_transformer;
grant insert, update on dialer.call_list, dialer.call_task to retention_transformer;

-- The dialer reads its schema, and writes through the functions alone.
grant select on all tables in schema dialer to retention_dialer;
grant execute on function
    dialer.is_calling_hour(timestamptz),
    dialer.claim_tasks(text, integer, text, text, text),
    dialer.record_attempt(bigint, text, text, timestamptz, text, integer, timestamptz)
to retention_dialer;

-- The loader applies delivered outcomes; it sees no task.
grant usage on schema dialer to retention_loader;
grant execute on function
    dialer.record_attempt(bigint, text, text, timestamptz, text, integer, timestamptz)
to retention_loader;
grant select, insert, delete on dialer.unmatched_outcome to retention_loader;
grant select (call_id) on dialer.call_attempt to retention_loader;
