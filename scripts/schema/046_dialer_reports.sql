-- What a dialer reports in its own forms, and what agents have to say beside the outcome.
--
-- Every line of a report is one row of dialer.reported_call, whatever becomes of it: its verdict is
-- what dialer.record_attempt said, or why it was not asked. No phone number and no name is kept.

create table if not exists dialer.automatic_agent (
    agent_id text primary key,
    description text not null
);
comment on table dialer.automatic_agent is
    'One row per user of a dialer that is nobody (系统工号); kept equal to seeds/automatic_agent.csv.';

create table if not exists dialer.feedback_reason (
    reason_code text primary key,
    reason_name text not null,
    reason_name_zh text not null,
    requirement text not null
);
comment on table dialer.feedback_reason is
    'One row per reason that a customer gives for leaving (反馈原因); kept equal to
    seeds/feedback_reason.csv.';

create table if not exists dialer.vicidial_flag (
    rule_order integer not null,
    flag text primary key,
    outcome_code text not null references dialer.outcome_code,
    description text not null
);
comment on table dialer.vicidial_flag is
    'One row per flag of a VICIdial status that decides an outcome, the first in order (状态标志); kept
    equal to seeds/vicidial_flag.csv.';

create table if not exists dialer.vicidial_status (
    campaign_id text not null,
    status text not null,
    status_name text not null,
    human_answered boolean not null,
    sale boolean not null,
    dnc boolean not null,
    customer_contact boolean not null,
    not_interested boolean not null,
    unworkable boolean not null,
    scheduled_callback boolean not null,
    completed boolean not null,
    answering_machine boolean not null,
    is_call boolean not null,
    unreached_outcome_code text not null references dialer.outcome_code,
    feedback_reason_code text not null references dialer.feedback_reason (reason_code),
    primary key (campaign_id, status)
);
comment on table dialer.vicidial_status is
    'One row per status of VICIdial with its flags (外呼系统状态); kept equal to
    seeds/vicidial_status.csv.';
comment on column dialer.vicidial_status.campaign_id is
    'The campaign whose own status it is; * for all.';

create table if not exists dialer.report_file (
    report_file_id bigint generated always as identity primary key,
    report_form text not null,
    delivered_date date not null,
    file text not null unique,
    sha256 text not null,
    row_count integer not null check (row_count >= 0),
    loaded_at timestamptz not null default now()
);
comment on table dialer.report_file is
    'One row per report that a dialer delivered in its own form, as it was last read (外呼报表).';

create table if not exists dialer.reported_call (
    report_file_id bigint not null references dialer.report_file on delete cascade,
    line integer not null,
    lead_id text,
    called_at timestamptz,
    agent_id text,
    campaign_id text,
    status text,
    task_number text,
    source text,
    list_id text,
    talk_seconds integer,
    is_inbound boolean,
    verdict text,
    outcome_code text,
    primary key (report_file_id, line)
);
comment on table dialer.reported_call is
    'One row per line of a dialer''s report and what became of it (外呼报表明细).';
comment on column dialer.reported_call.verdict is
    'What dialer.record_attempt answered, or why it was not asked: unreadable, no_task_number,
    not_ours, inbound_call, unknown_status, not_a_call, same_call. Null: not judged yet.';
create index if not exists reported_call_by_lead on dialer.reported_call (lead_id, called_at);
create index if not exists reported_call_waiting
    on dialer.reported_call (report_file_id)
    where verdict is null or verdict in ('unknown_task', 'unknown_status', 'unknown_outcome');

-- Judge the lines that wait: those read since, and those whose task or status was not known. A lead
-- is ours when its source is <tag>:<list>, or, where the dialer keeps no source, when its list id
-- is a date and two digits. The flags of a status decide, the campaign's own before the shipped;
-- without a flag nobody was spoken to, and the length of the call was ringing.
create or replace view dialer.reported_call_to_judge as
with waiting as (
    select
        reported_call.*,
        report_file.report_form,
        report_file.file,
        report_file.delivered_date
    from dialer.reported_call
    inner join dialer.report_file using (report_file_id)
    where
        reported_call.verdict is null
        or reported_call.verdict in ('unknown_task', 'unknown_status', 'unknown_outcome')
),

with_status as (
    select
        waiting.*,
        known.is_call,
        known.feedback_reason_code,
        coalesce(decided.outcome_code, known.unreached_outcome_code) as decided_outcome_code,
        case when decided.outcome_code is null then 0 else waiting.talk_seconds end
            as spoken_seconds,
        known.status is not null as is_status_known
    from waiting
    left join lateral (
        select vicidial_status.*
        from dialer.vicidial_status
        where
            vicidial_status.status = waiting.status
            and vicidial_status.campaign_id in (waiting.campaign_id, '*')
        order by vicidial_status.campaign_id = '*'
        limit 1
    ) as known on true
    left join lateral (
        select vicidial_flag.outcome_code
        from dialer.vicidial_flag
        where (to_jsonb(known) ->> vicidial_flag.flag)::boolean
        order by vicidial_flag.rule_order
        limit 1
    ) as decided on true
)

select
    with_status.report_file_id,
    with_status.line,
    with_status.file,
    with_status.delivered_date,
    with_status.agent_id,
    with_status.called_at,
    with_status.spoken_seconds as talk_seconds,
    with_status.feedback_reason_code,
    with_status.decided_outcome_code as outcome_code,
    format(
        'vicidial:%s:%s',
        with_status.lead_id,
        to_char(with_status.called_at at time zone 'Asia/Shanghai', 'YYYYMMDDHH24MISS')
    ) as call_id,
    case
        when with_status.called_at is null then 'unreadable'
        when with_status.task_number !~ '^[1-9][0-9]{0,17}$' then 'no_task_number'
        when
            case
                when with_status.source = ''
                    then with_status.list_id !~ '^20[0-9]{2}(0[1-9]|1[0-2])[0-3][0-9][0-9]{2}$'
                else with_status.source !~ '^[A-Za-z0-9_]+:[0-9]+$'
            end
            then 'not_ours'
        when with_status.is_inbound then 'inbound_call'
        when not with_status.is_status_known then 'unknown_status'
        when not with_status.is_call then 'not_a_call'
        when exists (
            select 1
            from dialer.reported_call as twin
            inner join dialer.report_file as twin_file
                on twin.report_file_id = twin_file.report_file_id
            cross join dialer.call_rule
            where
                call_rule.rule_name = 'same_call_minutes'
                and twin_file.report_form <> with_status.report_form
                and twin.report_file_id < with_status.report_file_id
                and twin.lead_id = with_status.lead_id
                and twin.agent_id = with_status.agent_id
                and twin.status = with_status.status
                and twin.called_at between
                with_status.called_at - call_rule.rule_value * interval '1 minute'
                and with_status.called_at + call_rule.rule_value * interval '1 minute'
        ) then 'same_call'
    end as reason_aside,
    case
        when with_status.task_number ~ '^[1-9][0-9]{0,17}$' then with_status.task_number::bigint
    end as call_task_id
from with_status;
comment on view dialer.reported_call_to_judge is
    'One row per line of a report that waits for its verdict, with the outcome that the flags of its
    status stand for, or the reason why it is put aside.';

create table if not exists dialer.call_feedback (
    call_feedback_id bigint generated always as identity primary key,
    call_task_id bigint not null references dialer.call_task,
    call_id text not null check (call_id <> ''),
    agent_id text not null check (agent_id <> ''),
    given_at timestamptz not null,
    feedback_type text not null check (feedback_type <> ''),
    feedback_name text not null,
    importance smallint not null check (importance between 1 and 5),
    reason_code text not null references dialer.feedback_reason,
    content text not null,
    recorded_at timestamptz not null default now(),
    unique (call_id, feedback_type, reason_code)
);
comment on table dialer.call_feedback is
    'One row per thing that a customer gave to understand in a call (反馈信息).';
comment on column dialer.call_feedback.importance is '1 little to 5 urgent (重要程度).';

create table if not exists dialer.experience_note (
    experience_note_id bigint generated always as identity primary key,
    agent_id text not null check (agent_id <> ''),
    post text not null check (post <> ''),
    revisit_tag text,
    title text not null check (title <> ''),
    content text not null check (content <> ''),
    written_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    unique (agent_id, written_at, title)
);
comment on table dialer.experience_note is
    'One row per experience that somebody shares with the others of a post (经验学习).';
comment on column dialer.experience_note.post is 'The post it comes from and is for (岗位).';
comment on column dialer.experience_note.revisit_tag is
    'The kind of revisit it is about; null: any (回访标签).';

-- Write down what a customer gave to understand. Says recorded, duplicate (the call's feedback of
-- this type and reason is there; nothing changed), unknown_task, unknown_reason or incomplete.
create or replace function dialer.record_feedback(
    call_task_id bigint,
    call_id text,
    agent_id text,
    given_at timestamptz,
    feedback_type text,
    feedback_name text,
    importance integer,
    reason_code text,
    content text default ''
)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if record_feedback.given_at is null
        or coalesce(record_feedback.call_id, '') = ''
        or coalesce(record_feedback.agent_id, '') = ''
        or coalesce(record_feedback.feedback_type, '') = ''
        or coalesce(record_feedback.importance, 0) not between 1 and 5
    then
        return 'incomplete';
    end if;
    if not exists (
        select from dialer.feedback_reason as known
        where known.reason_code = record_feedback.reason_code
    ) then
        return 'unknown_reason';
    end if;
    if not exists (
        select from dialer.call_task as known
        where known.call_task_id = record_feedback.call_task_id
    ) then
        return 'unknown_task';
    end if;
    insert into dialer.call_feedback (
        call_task_id, call_id, agent_id, given_at, feedback_type, feedback_name, importance,
        reason_code, content
    ) values (
        record_feedback.call_task_id, record_feedback.call_id, record_feedback.agent_id,
        record_feedback.given_at, record_feedback.feedback_type,
        coalesce(record_feedback.feedback_name, ''), record_feedback.importance,
        record_feedback.reason_code, coalesce(record_feedback.content, '')
    )
    on conflict do nothing;
    return case when found then 'recorded' else 'duplicate' end;
end;
$$;
comment on function dialer.record_feedback is 'Write down what a customer said (登记反馈).';

-- Share an experience with the others of a post. Says recorded, duplicate or incomplete.
create or replace function dialer.share_experience(
    agent_id text,
    post text,
    title text,
    content text,
    written_at timestamptz default now(),
    revisit_tag text default null
)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if share_experience.written_at is null
        or coalesce(share_experience.agent_id, '') = ''
        or coalesce(share_experience.post, '') = ''
        or coalesce(share_experience.title, '') = ''
        or coalesce(share_experience.content, '') = ''
    then
        return 'incomplete';
    end if;
    insert into dialer.experience_note (agent_id, post, revisit_tag, title, content, written_at)
    values (
        share_experience.agent_id, share_experience.post, share_experience.revisit_tag,
        share_experience.title, share_experience.content, share_experience.written_at
    )
    on conflict do nothing;
    return case when found then 'recorded' else 'duplicate' end;
end;
$$;
comment on function dialer.share_experience is 'Share an experience (分享经验).';

revoke all on function
    dialer.record_feedback(bigint, text, text, timestamptz, text, text, integer, text, text),
    dialer.share_experience(text, text, text, text, timestamptz, text)
from public;

grant select on
    dialer.automatic_agent,
    dialer.feedback_reason,
    dialer.vicidial_flag,
    dialer.vicidial_status,
    dialer.report_file,
    dialer.reported_call,
    dialer.call_feedback,
    dialer.experience_note
to retention_transformer, retention_dialer;
grant execute on function
    dialer.record_feedback(bigint, text, text, timestamptz, text, text, integer, text, text),
    dialer.share_experience(text, text, text, text, timestamptz, text)
to retention_dialer;

-- The loader reads reports in and judges them; it sees no task.
grant select, insert, update, delete on dialer.report_file, dialer.reported_call
to retention_loader;
grant select on dialer.reported_call_to_judge to retention_loader;
grant execute on function
    dialer.record_feedback(bigint, text, text, timestamptz, text, text, integer, text, text)
to retention_loader;
