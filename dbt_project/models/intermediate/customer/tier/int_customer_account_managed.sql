-- A view: read once, by fct_account_manager_assignment.
{{ config(materialized='view') }}

with profiled as (
    select * from {{ ref('int_customer_tier_profiled') }}
),

marked as (
    select * from {{ ref('int_tier_profile_marked') }}
    where has_account_manager
),

manager as (
    select * from {{ ref('int_account_manager_employed') }}
),

region_with_manager as (
    select distinct managed_region from manager
),

final as (
    select
        {{ business_date() }} as business_date,
        profiled.customer_id,
        coalesce(region_with_manager.managed_region, 'all') as managed_region
    from profiled
    inner join marked on profiled.profile_key = marked.profile_key
    left join region_with_manager on profiled.region = region_with_manager.managed_region
)

select * from final
