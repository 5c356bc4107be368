-- What supervisors may do with tasks, what is noted of it, and what an agent sees of them.
--
-- A supervisor (客服维系主管) sees all tasks, gives them to agents and edits them. An agent (客户代表)
-- sees his own alone: his workplace says who he is by `set dialer.agent_id = '…'`. Every change
-- that is no call is noted with both states, whoever makes it.

create table if not exists dialer.task_change (
    task_change_id bigint generated always as identity primary key,
    call_task_id bigint not null references dialer.call_task,
    changed_by text,
    database_user text not null,
    changed_at timestamptz not null default clock_timestamp(),
    before jsonb not null,
    after jsonb not null
);
comment on table dialer.task_change is
    'One row per change of a task by people: given, edited or withdrawn (任务修改记录). Append-only.';
comment on column dialer.task_change.changed_by is
    'Who did it (工号); null if it was not done through a function.';
comment on column dialer.task_change.before is 'What people may change, as it was.';
comment on column dialer.task_change.after is 'The same, as it became.';
create index if not exists task_change_by_task on dialer.task_change (call_task_id);

create or replace function dialer.changeable(task dialer.call_task) returns jsonb
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select jsonb_build_object(
        'status', task.status,
        'assigned_agent_id', task.assigned_agent_id,
        'agent_id', task.agent_id,
        'priority_rank', task.priority_rank,
        'agent_hint', task.agent_hint
    );
$$;
comment on function dialer.changeable is 'What people may change of a task.';

create or replace function dialer.note_change() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into dialer.task_change (call_task_id, changed_by, database_user, before, after)
    values (
        new.call_task_id,
        nullif(current_setting('dialer.changed_by', true), ''),
        session_user,
        dialer.changeable(old),
        dialer.changeable(new)
    );
    return null;
end;
$$;

create or replace trigger call_task_change_is_noted
after update on dialer.call_task
for each row
when (
    (old.assigned_agent_id, old.priority_rank, old.agent_hint)
    is distinct from (new.assigned_agent_id, new.priority_rank, new.agent_hint)
    or (new.status = 'withdrawn' and old.status <> 'withdrawn')
)
execute function dialer.note_change();

-- Say who makes the changes of the statements that follow; reset when the transaction ends.
create or replace function dialer.begin_change(changed_by text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if coalesce(begin_change.changed_by, '') = '' then
        raise exception 'who changes a task has to be said' using errcode = 'check_violation';
    end if;
    perform set_config('dialer.changed_by', begin_change.changed_by, true);
end;
$$;

-- Give tasks to an agent, or back to all (agent_id null). What another has claimed is taken from
-- him. Says for each task:
--   assigned, unchanged
--   already_called         somebody has called, so the task cannot go back to all
--   task_closed, unknown_task
create or replace function dialer.assign_tasks(
    supervisor_id text, agent_id text, call_task_ids bigint []
)
returns table (call_task_id bigint, verdict text)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform dialer.begin_change(assign_tasks.supervisor_id);
    return query
    with task as (
        select *
        from dialer.call_task
        where call_task_id = any(assign_tasks.call_task_ids)
        order by call_task_id
        for update
    ),

    judged as (
        select
            asked.call_task_id,
            case
                when task.call_task_id is null then 'unknown_task'
                when task.closed_at is not null then 'task_closed'
                when task.owner_agent_id is not distinct from assign_tasks.agent_id then 'unchanged'
                when assign_tasks.agent_id is null and task.attempt_count > 0 then 'already_called'
                else 'assigned'
            end as verdict
        from (select distinct unnest(assign_tasks.call_task_ids) as call_task_id) as asked
        left join task on asked.call_task_id = task.call_task_id
    ),

    assigned as (
        update dialer.call_task as changed
        set
            assigned_agent_id = assign_tasks.agent_id,
            agent_id = case when changed.attempt_count > 0 then assign_tasks.agent_id end,
            status = 'open',
            lease_expires_at = null
        from judged
        where changed.call_task_id = judged.call_task_id and judged.verdict = 'assigned'
    )

    select judged.call_task_id, judged.verdict
    from judged
    order by judged.call_task_id;
end;
$$;
comment on function dialer.assign_tasks is
    'Give tasks to an agent, take them from another, or give them back to all (任务指派).';

-- Deal the open tasks that nobody has out to several agents in turn, best first: all of them, or
-- those of one grade, tag or region (OUT-20, OUT-22).
create or replace function dialer.share_out_tasks(
    supervisor_id text,
    agent_ids text [],
    customer_grade text default null,
    revisit_tag text default null,
    region text default null,
    task_limit integer default null
)
returns table (agent_id text, task_count bigint)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform dialer.begin_change(share_out_tasks.supervisor_id);
    if coalesce(cardinality(share_out_tasks.agent_ids), 0) = 0 then
        raise exception 'tasks have to be shared out to somebody' using errcode = 'check_violation';
    end if;
    return query
    with free as (
        select call_task_id, priority_rank, random_order
        from dialer.call_task as task
        where
            status = 'open'
            and owner_agent_id is null
            and (
                share_out_tasks.customer_grade is null
                or task.customer_grade = share_out_tasks.customer_grade
            )
            and (
                share_out_tasks.revisit_tag is null
                or task.revisit_tag = share_out_tasks.revisit_tag
            )
            and (share_out_tasks.region is null or task.region = share_out_tasks.region)
        order by priority_rank, random_order
        limit share_out_tasks.task_limit
        for update skip locked
    ),

    dealt as (
        select
            call_task_id,
            share_out_tasks.agent_ids[
                1
                + (row_number() over (order by priority_rank, random_order) - 1)
                % cardinality(share_out_tasks.agent_ids)
            ] as agent_id
        from free
    ),

    assigned as (
        update dialer.call_task as task
        set assigned_agent_id = dealt.agent_id
        from dealt
        where task.call_task_id = dealt.call_task_id
        returning task.assigned_agent_id
    )

    select agent.agent_id, count(assigned.assigned_agent_id)
    from (select distinct unnest(share_out_tasks.agent_ids) as agent_id) as agent
    left join assigned on agent.agent_id = assigned.assigned_agent_id
    group by agent.agent_id
    order by agent.agent_id;
end;
$$;
comment on function dialer.share_out_tasks is
    'Deal open tasks that nobody has out to agents in turn; tells how many each got (任务分配).';

-- Change what an open task says (修改任务内容); what is null stays. Says
--   edited, unchanged
--   invalid_hint           longer than 255 characters, or with one that dialers strip or split at
--   invalid_rank           not above 0
--   task_closed, unknown_task
create or replace function dialer.edit_task(
    changed_by text,
    call_task_id bigint,
    agent_hint text default null,
    priority_rank integer default null
)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    task dialer.call_task;
    new_hint text;
    new_rank integer;
begin
    perform dialer.begin_change(edit_task.changed_by);
    select * into task
    from dialer.call_task as candidate
    where candidate.call_task_id = edit_task.call_task_id
    for update;
    if not found then
        return 'unknown_task';
    end if;
    new_hint := coalesce(edit_task.agent_hint, task.agent_hint);
    new_rank := coalesce(edit_task.priority_rank, task.priority_rank);
    if task.closed_at is not null then
        return 'task_closed';
    elsif edit_task.agent_hint ~ '[|''";`\\[:cntrl:]]' or length(edit_task.agent_hint) > 255 then
        return 'invalid_hint';
    elsif new_rank <= 0 then
        return 'invalid_rank';
    elsif (new_hint, new_rank) is not distinct from (task.agent_hint, task.priority_rank) then
        return 'unchanged';
    end if;

    update dialer.call_task as changed
    set agent_hint = new_hint, priority_rank = new_rank
    where changed.call_task_id = task.call_task_id;
    return 'edited';
end;
$$;
comment on function dialer.edit_task is
    'Change the hint or the rank of an open task, on record (修改任务内容).';

-- What an agent may change himself: the hint of a task that is in his hands.
create or replace function dialer.edit_own_task(
    agent_id text, call_task_id bigint, agent_hint text
)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform 1
    from dialer.call_task as task
    where
        task.call_task_id = edit_own_task.call_task_id
        and edit_own_task.agent_id in (task.agent_id, task.owner_agent_id)
    for update;
    if not found then
        return 'not_own_task';
    end if;
    return dialer.edit_task(
        edit_own_task.agent_id, edit_own_task.call_task_id, edit_own_task.agent_hint
    );
end;
$$;
comment on function dialer.edit_own_task is
    'Change the hint of a task that the agent has claimed, was given or has called for.';

-- An agent's own tasks and calls; nobody's without an agent in the session.
create or replace view dialer.own_task with (security_barrier) as
select call_task.*
from dialer.call_task
where nullif(current_setting('dialer.agent_id', true), '') in (agent_id, owner_agent_id);
comment on view dialer.own_task is
    'One row per call task that the session''s agent has claimed, was given or has called for.';

create or replace view dialer.own_revisit with (security_barrier) as
select revisit.*
from dialer.revisit
where nullif(current_setting('dialer.agent_id', true), '') in (agent_id, owner_agent_id);
comment on view dialer.own_revisit is
    'One row per call of the session''s agent, or made before for a task that is now his.';

revoke all on function
    dialer.changeable(dialer.call_task),
    dialer.note_change(),
    dialer.begin_change(text),
    dialer.assign_tasks(text, text, bigint []),
    dialer.share_out_tasks(text, text [], text, text, text, integer),
    dialer.edit_task(text, bigint, text, integer),
    dialer.edit_own_task(text, bigint, text)
from public;

grant usage on schema dialer to retention_supervisor, retention_agent;
grant select on all tables in schema dialer to retention_supervisor;
grant execute on function
    dialer.assign_tasks(text, text, bigint []),
    dialer.share_out_tasks(text, text [], text, text, text, integer),
    dialer.edit_task(text, bigint, text, integer)
to retention_supervisor;

-- The dialer acts for the agents who work in it.
grant select on dialer.task_change to retention_dialer;
grant execute on function dialer.edit_own_task(text, bigint, text) to retention_dialer;

grant select on dialer.own_task, dialer.own_revisit, dialer.outcome_code to retention_agent;
