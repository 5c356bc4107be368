-- Incremental: what was reported stays. The newest base is looked at every night, all of them at
-- the end of a month, so that the night does not pay for every base there ever was.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_dates',
        unique_key='business_date',
    )
}}

with frozen as (
    select * from {{ ref('fct_base_snapshot') }}
    where frozen_date < {{ business_date() }}
),

subscriptions_counted as (
    select * from {{ ref('int_customer_subscriptions_counted') }}
    where as_of_date = {{ business_date() }}
),

newest as (
    select max(frozen_date) as frozen_date
    from frozen
),

looked_at as (
    select frozen.*
    from frozen
    cross join newest
    where
        frozen.frozen_date = newest.frozen_date
        or extract(day from {{ business_date() }} + 1) = 1
),

final as (
    select
        {{ business_date() }} as business_date,
        looked_at.base_code,
        looked_at.frozen_date,
        coalesce(looked_at.region, 'unknown') as region,
        coalesce(looked_at.value_tier, 'unknown') as value_tier,
        count(*)::integer as customer_count,
        count(subscriptions_counted.customer_id)::integer as retained_customer_count,
        round(count(subscriptions_counted.customer_id)::numeric / count(*), 4) as retention_rate,
        coalesce(sum(looked_at.monthly_rent_amount), 0) as frozen_rent_amount,
        coalesce(sum(subscriptions_counted.monthly_rent_amount), 0) as retained_rent_amount
    from looked_at
    left join subscriptions_counted on looked_at.customer_id = subscriptions_counted.customer_id
    group by
        looked_at.base_code,
        looked_at.frozen_date,
        coalesce(looked_at.region, 'unknown'),
        coalesce(looked_at.value_tier, 'unknown')
)

select * from final
