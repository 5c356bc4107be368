with subscription as (
    select * from {{ ref('int_subscription_dated') }}
    where as_of_date = {{ business_date() }}
),

contact as (
    select * from {{ ref('fct_service_contact') }}
    where contacted_date >= {{ changed_from(var('customer_month_extracts'), 'month') }}
),

roaming as (
    select * from {{ ref('fct_roaming') }}
    where started_date >= {{ changed_from(var('customer_month_extracts'), 'month') }}
),

ticket as (
    select * from {{ ref('int_tickets_timed') }}
),

ticket_dated as (
    select
        customer_id,
        {{ local_date('reported_at') }} as reported_date
    from ticket
),

occurrence as (
    select
        'contact' as kind,
        contacted_date as occurred_date,
        customer_id,
        interaction_kind,
        null::numeric as roaming_fee_amount
    from contact
    union all
    select
        'roaming' as kind,
        roaming.started_date as occurred_date,
        subscription.customer_id,
        null as interaction_kind,
        roaming.roaming_fee_amount
    from roaming
    inner join subscription on roaming.subscription_id = subscription.subscription_id
    union all
    select
        'ticket' as kind,
        reported_date as occurred_date,
        customer_id,
        null as interaction_kind,
        null as roaming_fee_amount
    from ticket_dated
    where reported_date >= {{ changed_from(var('customer_month_extracts'), 'month') }}
),

final as (
    select
        date_trunc('month', occurred_date)::date as calendar_month,
        customer_id,
        (count(*) filter (where kind = 'roaming'))::integer as roaming_count,
        coalesce(sum(roaming_fee_amount), 0) as roaming_fee_amount,
        (count(*) filter (where kind = 'contact'))::integer as contact_count,
        (count(*) filter (where interaction_kind = 'complaint'))::integer as complaint_count,
        (count(*) filter (where interaction_kind = 'bill_query'))::integer as bill_query_count,
        (count(*) filter (where kind = 'ticket'))::integer as ticket_count
    from occurrence
    group by date_trunc('month', occurred_date)::date, customer_id
)

select * from final
