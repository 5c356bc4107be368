-- A view: the limits may be tried by a preview.
{{ config(materialized='view') }}

with contacted as (
    select * from {{ ref('int_customer_contacts_daily') }}
),

contact_limit as (
    select
        limit_code,
        drop_reason,
        window_days,
        {{ tried("limit_code", "contact_maximum") }} as contact_maximum
    from {{ ref('contact_limit') }}
),

-- The limits are few and the customers lately contacted not many: each pair is looked at.
limit_counted as (
    select
        contacted.customer_id,
        contact_limit.limit_code,
        contact_limit.drop_reason,
        contact_limit.contact_maximum,
        coalesce(
            sum(contacted.contact_count) filter (
                where contacted.contacted_date > {{ business_date() }} - contact_limit.window_days
            ),
            0
        ) as contact_count,
        sum(contacted.contact_count) as contact_count_30d
    from contacted
    cross join contact_limit
    group by
        contacted.customer_id,
        contact_limit.limit_code,
        contact_limit.drop_reason,
        contact_limit.contact_maximum
),

final as (
    select
        {{ business_date() }} as business_date,
        customer_id,
        max(contact_count_30d)::integer as contact_count_30d,
        bool_or(drop_reason = 'daily_cap' and contact_count >= contact_maximum) as has_daily_cap,
        bool_or(drop_reason = 'rolling_cap' and contact_count >= contact_maximum)
            as has_rolling_cap,
        bool_or(drop_reason = 'minimum_gap' and contact_count >= contact_maximum)
            as has_minimum_gap
    from limit_counted
    group by customer_id
)

select * from final
