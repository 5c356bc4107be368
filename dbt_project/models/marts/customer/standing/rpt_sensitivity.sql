-- A day's figures stay: each night adds its own.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_dates',
    unique_key='business_date',
) }}

with scored as (
    select * from {{ ref('int_customer_sensitivity_scored') }}
    where as_of_date = {{ business_date() }}
),

customer as (
    select * from {{ ref('int_customer_dated') }}
    where as_of_date = {{ business_date() }}
),

scores_counted as (
    select
        coalesce(customer.region, 'unknown') as region,
        scored.complaint_sensitivity_score,
        scored.complaint_sensitivity_band,
        scored.fee_sensitivity_score,
        scored.fee_sensitivity_band,
        count(*) as customer_count
    from scored
    left join customer on scored.customer_id = customer.customer_id
    group by
        coalesce(customer.region, 'unknown'),
        scored.complaint_sensitivity_score,
        scored.complaint_sensitivity_band,
        scored.fee_sensitivity_score,
        scored.fee_sensitivity_band
),

kind_counted as (
    select
        'complaint' as sensitivity_kind,
        region,
        complaint_sensitivity_band as sensitivity_band,
        complaint_sensitivity_score as sensitivity_score,
        customer_count
    from scores_counted
    union all
    select
        'fee' as sensitivity_kind,
        region,
        fee_sensitivity_band as sensitivity_band,
        fee_sensitivity_score as sensitivity_score,
        customer_count
    from scores_counted
),

final as (
    select
        {{ business_date() }} as business_date,
        sensitivity_kind,
        region,
        sensitivity_band,
        sum(customer_count)::integer as customer_count,
        round(sum(sensitivity_score * customer_count) / sum(customer_count), 2) as average_score,
        min(sensitivity_score) as lowest_score,
        max(sensitivity_score) as highest_score
    from kind_counted
    group by sensitivity_kind, region, sensitivity_band
)

select * from final
