with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'plan_monthly_rent'
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

final as (
    select
        subscription.subscription_id,
        rule_in_force.rule_code,
        subscription.monthly_rent_amount as measured_value,
        jsonb_build_object(
            'plan_id', subscription.plan_id,
            'plan_name', subscription.plan_name
        ) as evidence
    from rule_in_force
    cross join subscription
    where
        subscription.product_type = 'broadband'
        and {{ raises('subscription.monthly_rent_amount') }}
)

select * from final
