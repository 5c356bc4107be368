-- Incremental: a customer keeps the manager; a night writes only what begins and what ends.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_validity',
    unique_key=['customer_id'],
    meta={'reads_itself': true},
) }}

with managed as (
    select * from {{ ref('int_customer_account_managed') }}
),

manager as (
    select * from {{ ref('int_account_manager_employed') }}
),

standing as (
    {{ standing_periods({'customer_id': 'text', 'staff_id': 'text'}) }}
),

-- As long as both are there.
kept as (
    select
        standing.customer_id,
        standing.staff_id
    from standing
    inner join manager on standing.staff_id = manager.staff_id
    inner join managed on standing.customer_id = managed.customer_id
),

newcomer as (
    select
        managed.customer_id,
        managed.managed_region,
        row_number() over (
            partition by managed.managed_region order by managed.customer_id
        ) as turn
    from managed
    left join kept on managed.customer_id = kept.customer_id
    where kept.customer_id is null
),

region_newcomer as (
    select
        managed_region,
        count(*) as newcomer_count
    from newcomer
    group by managed_region
),

manager_load as (
    select
        manager.staff_id,
        manager.managed_region,
        count(kept.customer_id) as customer_count
    from manager
    left join kept on manager.staff_id = kept.staff_id
    group by manager.staff_id, manager.managed_region
),

-- The next customer goes to whoever of the region has the fewest.
place as (
    select
        manager_load.staff_id,
        manager_load.managed_region,
        row_number() over (
            partition by manager_load.managed_region
            order by manager_load.customer_count + added.added_count, manager_load.staff_id
        ) as turn
    from manager_load
    inner join region_newcomer on manager_load.managed_region = region_newcomer.managed_region
    cross join lateral generate_series(1, region_newcomer.newcomer_count) as added (added_count)
),

assigned as (
    select
        kept.customer_id,
        kept.staff_id
    from kept
    union all
    select
        newcomer.customer_id,
        place.staff_id
    from newcomer
    inner join place
        on newcomer.managed_region = place.managed_region and newcomer.turn = place.turn
),

final as (
    select
        customer_id,
        staff_id,
        {{ business_date() }} as valid_from,
        null::date as valid_to
    from assigned
)

select * from final
