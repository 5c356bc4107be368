with subscription as (
    select * from {{ ref('stg_crm__subscription') }}
),

plan as (
    select * from {{ ref('stg_crm__plan') }}
),

-- Of periods that overlap by mistake, the one that began last holds.
plan_in_force as (
    select distinct on (plan.as_of_date, plan.plan_id)
        plan.as_of_date,
        plan.plan_id,
        plan.plan_name,
        plan.monthly_rent_amount
    from plan
    where {{ in_force('plan.as_of_date', 'plan') }}
    order by plan.as_of_date asc, plan.plan_id asc, plan.valid_from desc
),

final as (
    select
        subscription.as_of_date,
        subscription.subscription_id,
        subscription.customer_id,
        subscription.account_id,
        subscription.plan_id,
        subscription.cross_connect_area_id,
        subscription.service_number,
        subscription.product_type,
        subscription.access_type,
        plan_in_force.plan_name,
        plan_in_force.monthly_rent_amount,
        subscription.bandwidth_mbps,
        subscription.contract_end_date,
        subscription.activated_at
    from subscription
    left join plan_in_force
        on
            subscription.as_of_date = plan_in_force.as_of_date
            and subscription.plan_id = plan_in_force.plan_id
    where {{ is_held_at(end_of('subscription.as_of_date'), 'subscription') }}
)

select * from final
