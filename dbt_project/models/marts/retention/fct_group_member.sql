{{ config(unique_key='business_date') }}

-- depends_on: {{ ref('customer_360') }}
-- The conditions are rows; marts.find_group_members (scripts/schema/090_groups.sql) asks them.
with member as (
    select * from marts.find_group_members(saved_before => {{ end_of(business_date()) }})
),

final as (
    select
        {{ business_date() }} as business_date,
        group_code,
        customer_id,
        group_version
    from member
)

select * from final
