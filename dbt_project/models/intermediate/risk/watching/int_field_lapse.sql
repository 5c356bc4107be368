{{ config(materialized='view') }}

with ticket as (
    select * from {{ ref('int_tickets_timed') }}
    where is_fault
),

dispatch as (
    select * from {{ ref('int_dispatches_attributed') }}
    where staff_id is not null
),

rule as (
    select * from {{ ref('assessment_rule') }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

month as (
    select {{ start_of_month() }} as start_at
),

-- Who worked on the line last before the fault came back.
repeated as (
    select distinct on (ticket.ticket_id)
        'repeat' as assessment_kind,
        ticket.ticket_id,
        dispatch.staff_id
    from month
    inner join ticket on month.start_at <= ticket.reported_at
    inner join rule_in_force on rule_in_force.assessment_kind = 'repeat'
    inner join dispatch
        on
            ticket.subscription_id = dispatch.subscription_id
            and ticket.ticket_id <> dispatch.ticket_id
            and ticket.reported_at > dispatch.completed_at
            and ticket.reported_at
            <= dispatch.completed_at + rule_in_force.limit_days * interval '1 day'
    order by ticket.ticket_id asc, dispatch.completed_at desc, dispatch.dispatch_id desc
),

-- Who was sent last for the fault itself.
sent as (
    select distinct on (ticket.ticket_id)
        ticket.ticket_id,
        ticket.reported_at,
        ticket.closed_at,
        ticket.urge_count,
        dispatch.staff_id
    from month
    inner join ticket on ticket.closed_at is null or month.start_at <= ticket.closed_at
    inner join dispatch on ticket.ticket_id = dispatch.ticket_id
    order by ticket.ticket_id asc, dispatch.dispatched_at desc, dispatch.dispatch_id desc
),

-- A fault is held against somebody once for each, in the month in which it ends.
final as (
    select * from repeated
    union all
    select
        'overdue' as assessment_kind,
        sent.ticket_id,
        sent.staff_id
    from sent
    inner join rule_in_force on rule_in_force.assessment_kind = 'overdue'
    where sent.closed_at > sent.reported_at + rule_in_force.limit_days * interval '1 day'
    union all
    select
        'urged' as assessment_kind,
        ticket_id,
        staff_id
    from sent
    where closed_at is not null and urge_count > 0
)

select * from final
