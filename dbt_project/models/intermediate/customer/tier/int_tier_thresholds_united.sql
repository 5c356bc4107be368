-- A view: a few rows, read once, by int_customer_tier_profiled.
{{ config(materialized='view') }}

with tier_cut as (
    select * from {{ ref('tier_cut') }}
    where operator is not null
),

segment_rule as (
    select * from {{ ref('segment_rule') }}
),

final as (
    select
        tier_cut.measure,
        tier_cut.threshold_value
    from tier_cut
    where {{ in_force(business_date(), 'tier_cut') }}
    union
    select
        segment_rule.measure,
        segment_rule.threshold_value
    from segment_rule
    where {{ in_force(business_date(), 'segment_rule') }}
)

select * from final
