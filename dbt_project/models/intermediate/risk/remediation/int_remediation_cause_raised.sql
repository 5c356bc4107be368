with warning as (
    select * from {{ ref('fct_risk_warning') }}
    where business_date = {{ business_date() }}
),

rule as (
    select * from {{ ref('risk_rule') }}
),

feedback as (
    select * from {{ ref('stg_retention__risk_feedback') }}
    where feedback_kind = 'order_request'
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

warned as (
    select
        warning.subscription_id,
        warning.customer_id,
        rule_in_force.cause_code,
        array_agg(warning.rule_code order by warning.rule_code) as rule_codes,
        min({{ risk_level_rank('warning.risk_level') }}) as risk_level_rank,
        min(warning.first_raised_date) as first_raised_date
    from warning
    inner join rule_in_force on warning.rule_code = rule_in_force.rule_code
    group by warning.subscription_id, warning.customer_id, rule_in_force.cause_code
),

-- What the front end asks for stands as a cause until it is old, or until an order has cured it.
requested as (
    select
        feedback.subscription_id,
        subscription.customer_id,
        feedback.request_reason as cause_code,
        array_remove(array_agg(distinct feedback.rule_code), null) as rule_codes,
        min({{ risk_level_rank('feedback.importance') }}) as risk_level_rank,
        max({{ local_date('feedback.fed_back_at') }}) as first_raised_date
    from feedback
    inner join subscription on feedback.subscription_id = subscription.subscription_id
    where
        feedback.request_reason is not null
        and {{ local_date('feedback.fed_back_at') }}
        > {{ business_date() }} - {{ var('request_age_days') }}
    group by feedback.subscription_id, subscription.customer_id, feedback.request_reason
),

united as (
    select * from warned
    union all
    select * from requested
),

final as (
    select
        subscription_id,
        cause_code,
        customer_id,
        rule_codes,
        {{ risk_level_at('risk_level_rank') }} as highest_risk_level,
        first_raised_date
    from united
)

select * from final
