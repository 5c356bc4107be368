with subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

ticket as (
    select * from {{ ref('int_tickets_timed') }}
    where is_fault
),

optical as (
    select * from {{ ref('int_optical_latest') }}
    where as_of_date = {{ business_date() }}
),

copper as (
    select * from {{ ref('int_copper_tested') }}
    where as_of_date = {{ business_date() }}
),

waiting as (
    select * from {{ ref('int_line_orders_waiting') }}
),

faulty as (
    select
        subscription_id,
        max(reported_at) as last_fault_at
    from ticket
    group by subscription_id
),

final as (
    select
        subscription.subscription_id,
        faulty.last_fault_at,
        greatest(optical.measured_at, copper.tested_at) as last_measured_at,
        waiting.subscription_id is not null as has_open_service_order
    from subscription
    left join faulty on subscription.subscription_id = faulty.subscription_id
    left join optical on subscription.subscription_id = optical.subscription_id
    left join copper on subscription.subscription_id = copper.subscription_id
    left join waiting on subscription.subscription_id = waiting.subscription_id
)

select * from final
