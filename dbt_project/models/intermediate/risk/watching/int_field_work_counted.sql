{{ config(materialized='view') }}

with ticket as (
    select * from {{ ref('int_tickets_timed') }}
    where is_fault
),

dispatch as (
    select * from {{ ref('int_dispatches_attributed') }}
),

service_order as (
    select * from {{ ref('stg_service_order__service_order') }}
    where order_kind = 'install' and product_type <> 'mobile'
),

contact as (
    select * from {{ ref('fct_service_contact') }}
    where interaction_kind = 'complaint'
),

survey as (
    select * from {{ ref('stg_contact_center__satisfaction') }}
    where
        subject_kind in ('installation', 'repair')
        and question_code = 'overall'
        and rating is not null
),

-- Of other nights than a month's last there is no month.
month as (
    select
        date_trunc('month', {{ business_date() }})::date as month_start_date,
        {{ start_of_month() }} as start_at
    where {{ is_last_of_month(business_date()) }}
),

field_work as (
    select
        customer_id,
        completed_at
    from dispatch
    where completed_at is not null
    union all
    select
        customer_id,
        completed_at
    from service_order
    where completed_at is not null
),

-- A complaint within thirty days of field work is one about it.
final as (
    select
        ticket.customer_id,
        'repair' as kpi,
        count(*) as event_count,
        count(*) filter (where ticket.urge_count > 0) as bad_count
    from month
    inner join ticket on month.start_at <= ticket.reported_at
    group by ticket.customer_id
    union all
    select
        service_order.customer_id,
        'install' as kpi,
        count(*) as event_count,
        count(*) filter (where service_order.urge_count > 0) as bad_count
    from month
    inner join service_order on month.start_at <= service_order.accepted_at
    group by service_order.customer_id
    union all
    select
        field_work.customer_id,
        'field_work' as kpi,
        count(*) as event_count,
        0 as bad_count
    from month
    inner join field_work on month.start_at <= field_work.completed_at
    group by field_work.customer_id
    union all
    select
        contact.customer_id,
        'field_work' as kpi,
        0 as event_count,
        count(distinct contact.interaction_id) as bad_count
    from month
    inner join contact on month.month_start_date <= contact.contacted_date
    inner join field_work
        on
            contact.customer_id = field_work.customer_id
            and field_work.completed_at
            between contact.contacted_at - interval '30 days' and contact.contacted_at
    group by contact.customer_id
    union all
    select
        survey.customer_id,
        'satisfaction' as kpi,
        count(*) as event_count,
        count(*) filter (where survey.rating < 4) as bad_count
    from month
    inner join survey
        on {{ window_start(business_date(), "interval '12 months'") }} <= survey.answered_at
    group by survey.customer_id
)

select * from final
