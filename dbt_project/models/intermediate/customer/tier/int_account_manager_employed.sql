-- A view: a few dozen rows.
{{ config(materialized='view') }}

with staff as (
    select * from {{ ref('stg_crm__staff') }}
    where as_of_date = {{ business_date() }} and staff_role = 'account_manager'
),

final as (
    select
        {{ business_date() }} as business_date,
        staff_id,
        -- Without a region: for the regions that have no manager of their own.
        coalesce(region, 'all') as managed_region
    from staff
    where
        hired_date <= {{ business_date() }}
        and (left_date is null or left_date >= {{ business_date() }})
)

select * from final
