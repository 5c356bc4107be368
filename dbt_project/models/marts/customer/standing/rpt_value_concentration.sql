-- Incremental: the report of each night stays.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_dates',
    unique_key='business_date',
) }}

with profiled as (
    select * from {{ ref('int_customer_tier_profiled') }}
    where arpu_amount is not null
),

parameter as (
    select * from {{ ref('value_parameter') }}
),

parameter_in_force as (
    select * from parameter
    where {{ in_force(business_date(), 'parameter') }}
),

target as (
    select
        max(parameter_value) filter (where parameter_name = 'concentration_customer_share')
            as customer_share,
        max(parameter_value) filter (where parameter_name = 'concentration_revenue_share')
            as revenue_share
    from parameter_in_force
),

-- A credit note is no revenue.
customer_amount as (
    select
        coalesce(region, 'unknown') as region,
        greatest(arpu_amount, 0) as amount
    from profiled
),

-- Customers of the same amount stand together: there are far fewer amounts than customers.
amount_counted as (
    select
        case when grouping(region) = 1 then 'all' else region end as region,
        amount,
        count(*) as customer_count,
        count(*) * amount as revenue
    from customer_amount
    group by grouping sets ((region, amount), (amount))
),

amount_ranked as (
    select
        region,
        amount,
        customer_count,
        revenue,
        sum(customer_count) over best_first - customer_count as customers_above,
        sum(revenue) over best_first - revenue as revenue_above,
        sum(customer_count) over (partition by region) as region_customer_count,
        nullif(sum(revenue) over (partition by region), 0) as region_revenue
    from amount_counted
    window best_first as (partition by region order by amount desc)
),

-- Of the customers of an amount, as many as the share of the best still has room for.
amount_measured as (
    select
        amount_ranked.*,
        amount_ranked.amount * least(
            amount_ranked.customer_count,
            greatest(
                amount_ranked.region_customer_count * target.customer_share
                - amount_ranked.customers_above,
                0
            )
        ) as top_revenue,
        least(
            amount_ranked.customer_count,
            greatest(
                amount_ranked.region_revenue * target.revenue_share - amount_ranked.revenue_above, 0
            )
            / nullif(amount_ranked.amount, 0)
        ) as target_customer_count
    from amount_ranked
    cross join target
),

region_measured as (
    select
        region,
        sum(customer_count)::integer as customer_count,
        sum(revenue) as revenue_amount,
        sum(top_revenue) / max(region_revenue) as top_revenue_share,
        -- Whoever brings nothing brings none of it.
        sum(target_customer_count) filter (where amount > 0) / sum(customer_count)
            as target_customer_share,
        -- The area under the Lorenz curve, counted from the best customer down.
        1 - sum(
            customer_count / region_customer_count
            * (2 - 2 * revenue_above / region_revenue - revenue / region_revenue)
        ) as gini_coefficient
    from amount_measured
    group by region
),

final as (
    select
        {{ business_date() }} as business_date,
        region_measured.region,
        region_measured.customer_count,
        round(region_measured.revenue_amount, 2) as revenue_amount,
        target.customer_share as top_customer_share,
        round(region_measured.top_revenue_share, 4) as top_revenue_share,
        target.revenue_share as target_revenue_share,
        round(region_measured.target_customer_share, 4) as target_customer_share,
        round(region_measured.gini_coefficient, 4) as gini_coefficient
    from region_measured
    cross join target
)

select * from final
