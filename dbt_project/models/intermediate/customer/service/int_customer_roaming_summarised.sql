with as_of as (
    {{ as_of_dates() }}
),

roaming as (
    select * from {{ ref('fct_roaming') }}
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
),

home_province as (
    select * from {{ ref('home_province') }}
),

-- Two rolling months always reach back to the first of the calendar month before.
stay as (
    select
        as_of.as_of_date,
        subscription.customer_id,
        roaming.roaming_id,
        roaming.roaming_kind,
        roaming.visited_province,
        roaming.visited_city,
        roaming.base_station_id,
        roaming.roaming_fee_amount,
        roaming.started_date,
        roaming.started_at,
        home_province.province_name is null as is_out_of_province,
        date_trunc('month', roaming.started_date::timestamp)
        = date_trunc('month', as_of.as_of_date::timestamp) as is_this_month,
        date_trunc('month', roaming.started_date::timestamp)
        = date_trunc('month', as_of.as_of_date::timestamp) - interval '1 month' as is_last_month
    from as_of
    inner join roaming
        on
            as_of.as_of_date >= roaming.started_date
            and as_of.as_of_date + 1 - interval '2 months' <= roaming.started_date
    inner join subscription
        on
            as_of.as_of_date = subscription.as_of_date
            and roaming.subscription_id = subscription.subscription_id
    left join home_province on roaming.visited_province = home_province.province_name
),

stay_last as (
    select distinct on (as_of_date, customer_id) *
    from stay
    order by as_of_date asc, customer_id asc, started_at desc, roaming_id desc
),

province_counted as (
    select
        as_of_date,
        customer_id,
        visited_province,
        count(*)::integer as stay_count,
        max(started_at) as last_started_at
    from stay
    where is_out_of_province
    group by as_of_date, customer_id, visited_province
),

province_most_visited as (
    select distinct on (as_of_date, customer_id) *
    from province_counted
    order by
        as_of_date asc,
        customer_id asc,
        stay_count desc,
        last_started_at desc,
        visited_province asc
),

customer_counted as (
    select
        as_of_date,
        customer_id,
        count(*)::integer as roaming_count_2m,
        (count(*) filter (where roaming_kind = 'border'))::integer as border_roaming_count_2m,
        (count(*) filter (where roaming_kind = 'border' and is_this_month))::integer
            as border_roaming_count_this_month,
        (count(*) filter (where roaming_kind = 'border' and is_last_month))::integer
            as border_roaming_count_last_month,
        (count(*) filter (where roaming_kind <> 'border'))::integer as travel_count_2m,
        (count(*) filter (where is_out_of_province))::integer as out_of_province_count_2m,
        sum(roaming_fee_amount) as roaming_fee_amount_2m
    from stay
    group by as_of_date, customer_id
),

final as (
    select
        as_of_date,
        customer_id,
        customer_counted.roaming_count_2m,
        customer_counted.border_roaming_count_2m,
        customer_counted.border_roaming_count_this_month,
        customer_counted.border_roaming_count_last_month,
        customer_counted.travel_count_2m,
        customer_counted.out_of_province_count_2m,
        customer_counted.roaming_fee_amount_2m,
        stay_last.started_date as last_roaming_date,
        stay_last.roaming_kind as last_roaming_kind,
        stay_last.visited_province as last_roaming_province,
        stay_last.visited_city as last_roaming_city,
        stay_last.base_station_id as last_base_station_id,
        stay_last.is_out_of_province as is_last_roaming_out_of_province,
        province_most_visited.visited_province as most_visited_province_2m,
        coalesce(province_most_visited.stay_count, 0) as most_visited_province_count_2m
    from customer_counted
    inner join stay_last using (as_of_date, customer_id)
    left join province_most_visited using (as_of_date, customer_id)
)

select * from final
