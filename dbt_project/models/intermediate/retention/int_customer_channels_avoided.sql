-- A view: read once a night, for the customers in a flow alone.
{{ config(materialized='view') }}

with preference as (
    select * from {{ ref('fct_channel_preference') }}
    where preference = 'disliked'
),

blocked as (
    select * from {{ ref('int_customer_call_blocked') }}
),

final as (
    select
        {{ business_date() }} as business_date,
        preference.customer_id,
        preference.channel_code
    from preference
    where {{ in_force(business_date(), 'preference') }}
    union
    select
        {{ business_date() }} as business_date,
        blocked.customer_id,
        'outbound' as channel_code
    from blocked
)

select * from final
