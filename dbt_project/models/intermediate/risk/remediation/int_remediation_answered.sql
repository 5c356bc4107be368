{{ config(materialized='view') }}

with feedback as (
    select * from {{ ref('stg_retention__risk_feedback') }}
    where feedback_kind = 'result' and handled_at is not null
),

result as (
    select * from {{ ref('remediation_result') }}
),

rule as (
    select * from {{ ref('risk_rule') }}
),

route as (
    select * from {{ ref('remediation_route') }}
),

result_in_force as (
    select * from result
    where {{ in_force(business_date(), 'result') }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

-- The causes under which an order for a rule may stand.
rule_ordered as (
    select distinct
        rule_in_force.rule_code,
        route.order_cause_code as cause_code
    from rule_in_force
    inner join route on rule_in_force.cause_code = route.cause_code
    where {{ in_force(business_date(), 'route') }}
),

effective as (
    select
        feedback.*,
        result_in_force.effect
    from feedback
    inner join result_in_force on feedback.result_code = result_in_force.result_code
    where result_in_force.effect <> 'none'
),

-- An answer names its order, or the line and the rule of a case on the monthly list.
final as (
    select
        effective.feedback_id,
        coalesce(
            effective.remediation_order_id,
            {{ order_answer_key('effective.subscription_id', 'rule_ordered.cause_code') }}
        ) as answer_key,
        effective.department,
        effective.staff_id,
        effective.handled_at,
        effective.fed_back_at,
        effective.result_code,
        effective.effect
    from effective
    left join rule_ordered
        on
            effective.remediation_order_id is null
            and effective.rule_code = rule_ordered.rule_code
    where
        effective.remediation_order_id is not null
        or (effective.subscription_id is not null and rule_ordered.cause_code is not null)
)

select * from final
