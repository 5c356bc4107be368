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
-- Functions here run as their owner: the dialer may claim and record, never write the tables.

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
    priority_rank integer not null check (priority_rank > 0),
    agent_hint text,
    status text not null default 'open'
        check (status in ('open', 'claimed', 'succeeded', 'failed', 'withdrawn')),
    agent_id text check (agent_id <> ''),
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
comment on table dialer.call_task is 'One row per customer on a call list: a call task (回访任务).';
comment on column dialer.call_task.agent_id is
    'Who claimed the task; from the first attempt on the only agent who gets it (工号).';
comment on column dialer.call_task.due_at is 'Not to be called before (预回访时间).';
comment on column dialer.call_task.lease_expires_at is
    'A claimed task goes back to the pool at this time unless an attempt was recorded.';
comment on column dialer.call_task.priority_rank is 'Place on the night''s list, 1 is called first.';
comment on column dialer.call_task.agent_hint is 'What the agent should know before calling.';

-- A customer is in the hands of one task at a time, whatever its night or tag.
create unique index if not exists call_task_open_customer
    on dialer.call_task (customer_id) where status in ('open', 'claimed');
create index if not exists call_task_to_claim
    on dialer.call_task (status, due_at, priority_rank) where status in ('open', 'claimed');
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
create index if not exists call_attempt_by_time on dialer.call_attempt (called_at);

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

-- "Back to the same 工号" (OUT-10): nothing may hand a task on once its agent has called.
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
when (old.attempt_count > 0 and old.agent_id is distinct from new.agent_id)
execute function dialer.keep_agent();

-- Due tasks for one agent. Agents who ask at the same moment never get the same task: each locks
-- what it takes and skips what others have locked. Repeat attempts come first, since nobody else
-- may make them; then the order of the list.
create or replace function dialer.claim_tasks(agent_id text, task_limit integer)
returns setof dialer.call_task
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
    with due_task as (
        select call_task.call_task_id
        from dialer.call_task
        where
            call_task.due_at <= now()
            and (
                call_task.status = 'open'
                or (call_task.status = 'claimed' and call_task.lease_expires_at <= now())
            )
            and (call_task.attempt_count = 0 or call_task.agent_id = claim_tasks.agent_id)
        order by
            call_task.attempt_count > 0 desc,
            call_task.priority_rank,
            call_task.due_at,
            call_task.call_task_id
        limit greatest(coalesce(claim_tasks.task_limit, 0), 0)
        for update skip locked
    ),

    lease as (
        select now() + call_rule.rule_value * interval '1 minute' as expires_at
        from dialer.call_rule
        where call_rule.rule_name = 'lease_minutes'
    )

    update dialer.call_task
    set
        status = 'claimed',
        agent_id = claim_tasks.agent_id,
        lease_expires_at = (select lease.expires_at from lease)
    from due_task
    where call_task.call_task_id = due_task.call_task_id
    returning call_task.*;
$$;
comment on function dialer.claim_tasks is
    'Hand at most task_limit due tasks to an agent, for lease_minutes (领取任务).';

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
            when task.attempt_count > 0 then task.agent_id else record_attempt.agent_id
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

revoke all on function
    dialer.keep_agent(),
    dialer.claim_tasks(text, integer),
    dialer.record_attempt(bigint, text, text, timestamptz, text, integer, timestamptz)
from public;

-- The transformer publishes, and dbt reads what became of the calls.
grant select on all tables in schema dialer to retention_transformer;
grant insert, update on dialer.call_list, dialer.call_task to retention_transformer;

-- The dialer reads its schema, and writes through the functions alone.
grant select on all tables in schema dialer to retention_dialer;
grant execute on function
    dialer.claim_tasks(text, integer),
    dialer.record_attempt(bigint, text, text, timestamptz, text, integer, timestamptz)
to retention_dialer;

-- The loader applies delivered outcomes; it sees no task.
grant usage on schema dialer to retention_loader;
grant execute on function
    dialer.record_attempt(bigint, text, text, timestamptz, text, integer, timestamptz)
to retention_loader;
grant select, insert, delete on dialer.unmatched_outcome to retention_loader;
grant select (call_id) on dialer.call_attempt to retention_loader;
