{{ config(materialized='view') }}

with ticket as (
    select * from {{ ref('int_tickets_timed') }}
    where is_fault and closed_at is null
),

reported as (
    select * from {{ ref('int_line_reports_counted') }}
),

dispatch as (
    select * from {{ ref('int_dispatches_attributed') }}
),

service_order as (
    select * from {{ ref('stg_service_order__service_order') }}
    where {{ is_service_order_open() }}
),

order_state as (
    select * from {{ ref('fct_remediation_order_state') }}
),

opened as (
    select * from {{ ref('int_remediation_order_opened') }}
),

-- Who was sent last is asked first.
last_sent as (
    select distinct on (ticket_id)
        ticket_id,
        staff_id
    from dispatch
    order by ticket_id asc, dispatched_at desc, dispatch_id desc
),

ticket_measured as (
    select
        ticket.ticket_id,
        ticket.subscription_id,
        ticket.customer_id,
        last_sent.staff_id,
        measure.watch_kind,
        measure.measured_value
    from ticket
    left join last_sent on ticket.ticket_id = last_sent.ticket_id
    left join reported on ticket.subscription_id = reported.subscription_id
    cross join
        lateral (
            values
            ('repeated_report', reported.repeat_report_count_30d::numeric),
            ('urged_repair', ticket.urge_count::numeric),
            (
                'overdue_fault',
                extract(epoch from {{ end_of(business_date()) }} - ticket.reported_at) / 86400
            )
        ) as measure (watch_kind, measured_value)
),

final as (
    select
        watch_kind,
        ticket_id as case_id,
        subscription_id,
        customer_id,
        staff_id,
        trim_scale(measured_value) as measured_value
    from ticket_measured
    where measured_value > 0
    union all
    select
        'urged_install' as watch_kind,
        order_id as case_id,
        subscription_id,
        customer_id,
        null as staff_id,
        urge_count::numeric as measured_value
    from service_order
    where urge_count > 0
    union all
    select
        'overdue_order' as watch_kind,
        opened.remediation_order_id as case_id,
        case opened.subject_kind when 'line' then opened.subject_id end as subscription_id,
        opened.customer_id,
        opened.handler_staff_id as staff_id,
        ({{ business_date() }} - opened.due_date)::numeric as measured_value
    from order_state
    inner join opened on order_state.remediation_order_id = opened.remediation_order_id
    where
        {{ in_force(business_date(), 'order_state') }}
        and {{ is_order_to_be_done('order_state') }}
        and opened.due_date < {{ business_date() }}
)

select * from final
