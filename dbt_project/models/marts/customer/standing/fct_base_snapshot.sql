-- Incremental, and never written again: a frozen base stays as it was, whatever is corrected later.
{{ config(materialized='incremental', incremental_strategy='append') }}

with base_freeze as (
    select * from {{ ref('base_freeze') }}
),

subscriptions_counted as (
    select * from {{ ref('int_customer_subscriptions_counted') }}
    where as_of_date = {{ business_date() }}
),

customer as (
    select * from {{ ref('int_customer_dated') }}
    where as_of_date = {{ business_date() }}
),

segmented as (
    select * from {{ ref('int_customer_segmented') }}
),

due as (
    select
        base_code,
        {{ business_date() }} as frozen_date
    from base_freeze
    where
        coalesce(
            frozen_date,
            (date_trunc('month', {{ business_date() }}) + interval '1 month - 1 day')::date
        ) = {{ business_date() }}
),

due_first as (
    select * from due
    {%- if is_incremental() %}
        where
            not exists (
                select frozen.frozen_date
                from {{ this }} as frozen
                where frozen.base_code = due.base_code and frozen.frozen_date = due.frozen_date
            )
    {%- endif %}
),

final as (
    select
        due_first.base_code,
        due_first.frozen_date,
        customer_id,
        customer.region,
        segmented.value_tier,
        subscriptions_counted.active_subscription_count,
        subscriptions_counted.monthly_rent_amount
    from due_first
    cross join subscriptions_counted
    left join customer using (customer_id)
    left join segmented using (customer_id)
)

select * from final
