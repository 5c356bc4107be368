with plan as (
    select * from {{ ref('stg_crm__plan') }}
    where as_of_date = {{ business_date() }}
),

rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'plan_monthly_rent'
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

boundary as (
    select
        plan_id,
        valid_from as starts_on
    from plan
    union distinct
    select
        plan_id,
        valid_to as starts_on
    from plan
    where valid_to is not null
),

-- Between two boundaries nothing changes.
stretch as (
    select
        plan_id,
        starts_on,
        lead(starts_on) over (partition by plan_id order by starts_on) as ends_on
    from boundary
),

-- Of periods that overlap by mistake, the one that began last holds, as in int_subscription_active.
-- Where a later one ends first, the earlier one holds again.
stretch_priced as (
    select distinct on (stretch.plan_id, stretch.starts_on)
        stretch.plan_id,
        stretch.starts_on,
        stretch.ends_on,
        plan.valid_from as version_from
    from stretch
    inner join plan
        on
            stretch.plan_id = plan.plan_id
            and {{ in_force('stretch.starts_on', 'plan') }}
    order by stretch.plan_id asc, stretch.starts_on asc, plan.valid_from desc
),

-- Stretches of one version that follow each other are one period.
stretch_numbered as (
    select
        plan_id,
        starts_on,
        ends_on,
        version_from,
        row_number() over (partition by plan_id order by starts_on)
        - row_number() over (partition by plan_id, version_from order by starts_on) as period_number
    from stretch_priced
),

period as (
    select
        plan_id,
        version_from,
        min(starts_on) as valid_from,
        nullif(max(coalesce(ends_on, 'infinity')), 'infinity') as valid_to
    from stretch_numbered
    group by plan_id, version_from, period_number
),

plan_subscribed as (
    select
        plan_id,
        count(*)::integer as active_subscription_count
    from subscription
    group by plan_id
),

final as (
    select
        plan.plan_id,
        plan.plan_name,
        plan.product_type,
        plan.monthly_rent_amount,
        plan.bandwidth_mbps,
        case
            when {{ in_force(business_date(), 'period') }}
                then coalesce(plan_subscribed.active_subscription_count, 0)
            else 0
        end as active_subscription_count,
        {{ in_force(business_date(), 'period') }} as is_on_sale,
        plan.product_type = 'broadband' and exists (
            select rule.rule_code
            from rule
            where
                {{ in_force(business_date(), 'rule') }}
                and {{ compares(
                    'plan.monthly_rent_amount', 'rule.operator', 'rule.threshold_value'
                ) }}
        ) as is_high_value_plan,
        period.valid_from,
        period.valid_to
    from period
    inner join plan on period.plan_id = plan.plan_id and period.version_from = plan.valid_from
    left join plan_subscribed on period.plan_id = plan_subscribed.plan_id
)

select * from final
