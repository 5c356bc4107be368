-- Incremental: a month changes the points of nearly everybody, and who has no change for long keeps
-- them. A night goes on from the last one instead of reading the changes of a year again.
{{ config(materialized='incremental', incremental_strategy='replace_all') }}

with as_of as (
    {{ as_of_dates() }}
),

-- Not materialised: the months before are left out where they can be.
points as not materialized (
    select * from {{ ref('stg_crm__loyalty_points') }}
),

-- What the newest night holds that is not later than any day looked at tonight.
held as (
    {%- if is_incremental() %}
        select * from {{ this }}
        where
            as_of_date = (
                select max(earlier.as_of_date) as newest_date
                from {{ this }} as earlier
                where earlier.as_of_date <= (select min(as_of.as_of_date) as first_date from as_of)
            )
    {%- else %}
        select
            points.*,
            null::date as last_redeemed_date
        from points
        where false
    {%- endif %}
),

changed as (
    select distinct customer_id
    from points
    where
        delivered_date >= {{ changed_from('crm.loyalty_points') }}
        and {{ local_date('changed_at') }} >= {{ changed_from('crm.loyalty_points') }}
),

-- A delivery that replaced another may lack a customer whose change is held: then, as when nothing
-- is held, only all deliveries tell what holds.
horizon as (
    select
        case
            when
                bool_and(
                    {{ local_date('held.changed_at') }} < {{ changed_from('crm.loyalty_points') }}
                    or changed.customer_id is not null
                )
                then {{ changed_from('crm.loyalty_points') }}
            else date '-infinity'
        end as first_date
    from held
    left join changed on held.customer_id = changed.customer_id
),

change as (
    select
        customer_id,
        points_balance_count,
        points_expiring_count,
        {{ local_date('last_redeemed_at') }} as last_redeemed_date,
        changed_at,
        delivered_date,
        extract_load_id
    from points
    where delivered_date >= (select horizon.first_date from horizon)
    union all
    select
        customer_id,
        points_balance_count,
        points_expiring_count,
        last_redeemed_date,
        changed_at,
        null::date as delivered_date,
        null::bigint as extract_load_id
    from held
    where {{ local_date('changed_at') }} < {{ changed_from('crm.loyalty_points') }}
),

final as (
    select distinct on (as_of.as_of_date, change.customer_id)
        as_of.as_of_date,
        change.customer_id,
        change.points_balance_count,
        change.points_expiring_count,
        change.last_redeemed_date,
        change.changed_at
    from as_of
    inner join change on change.changed_at < {{ end_of('as_of.as_of_date') }}
    order by
        as_of.as_of_date asc,
        change.customer_id asc,
        change.changed_at desc,
        change.delivered_date desc nulls last,
        change.extract_load_id desc
)

select * from final
