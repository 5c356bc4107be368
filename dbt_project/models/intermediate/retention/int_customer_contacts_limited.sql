-- A view: the limits may be tried by a preview.
{{ config(materialized='view') }}

with contacted as (
    select * from {{ ref('int_customer_contacts_daily') }}
),

contact_limit as (
    select * from {{ ref('contact_limit') }}
),

limit_in_force as (
    select
        contact_limit.limit_code,
        contact_limit.drop_reason,
        contact_limit.window_days,
        {{ tried("contact_limit.limit_code", "contact_limit.contact_maximum") }} as contact_maximum
    from contact_limit
    where {{ in_force(business_date(), 'contact_limit') }}
),

-- The limits are few and the customers lately contacted not many: each pair is looked at.
limit_counted as (
    select
        contacted.customer_id,
        limit_in_force.limit_code,
        limit_in_force.drop_reason,
        limit_in_force.contact_maximum,
        coalesce(
            sum(contacted.contact_count) filter (
                where contacted.contacted_date > {{ business_date() }} - limit_in_force.window_days
            ),
            0
        ) as contact_count,
        sum(contacted.contact_count) as contact_count_30d
    from contacted
    cross join limit_in_force
    group by
        contacted.customer_id,
        limit_in_force.limit_code,
        limit_in_force.drop_reason,
        limit_in_force.contact_maximum
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
