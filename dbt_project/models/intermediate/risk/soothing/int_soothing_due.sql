{{ config(
    materialized='incremental',
    incremental_strategy='replace_dates',
    unique_key='opened_date',
) }}

with opened as (
    select * from {{ ref('int_remediation_order_opened') }}
    where opened_date = {{ business_date() }}
),

routed as (
    select * from {{ ref('int_remediation_routed') }}
),

examined as (
    select * from {{ ref('int_line_examined') }}
),

rule as (
    select * from {{ ref('soothing_rule') }}
),

policy as (
    select * from {{ ref('dim_retention_policy') }}
    where is_accepted
),

affected as (
    select
        opened.opened_date,
        opened.remediation_order_id,
        opened.cause_code,
        routed.customer_id,
        min(routed.subscription_id) as subscription_id,
        bool_or('operator_cause' = any(routed.finding_codes)) as has_operator_cause
    from opened
    inner join routed
        on
            opened.subject_id = routed.subject_id
            and opened.cause_code = routed.order_cause_code
    group by
        opened.opened_date, opened.remediation_order_id, opened.cause_code, routed.customer_id
),

judged as (
    select
        affected.*,
        rule.soothing_kind,
        rule.soothing_team,
        rule.guidance_zh,
        examined.star_level,
        examined.product_type,
        rule.policy_code as policy_granted,
        coalesce(rule.compensated_if = 'always', false) or affected.has_operator_cause
            as is_operator_cause
    from affected
    inner join rule on affected.cause_code = rule.cause_code
    inner join examined on affected.subscription_id = examined.subscription_id
    where {{ in_force(business_date(), 'rule') }}
),

-- Whoever has no star level is granted what the lowest is. Nobody's brand is known here.
final as (
    select
        judged.opened_date,
        judged.remediation_order_id,
        judged.customer_id,
        judged.subscription_id,
        judged.cause_code,
        judged.soothing_kind,
        judged.soothing_team,
        judged.guidance_zh,
        judged.star_level,
        judged.is_operator_cause,
        policy.policy_code,
        policy.action_kind,
        coalesce(policy.subsidy_amount, 0) as subsidy_amount
    from judged
    left join policy
        on
            judged.is_operator_cause
            and judged.policy_granted = policy.policy_code
            and coalesce(judged.star_level, 0) = policy.star_level
            and policy.brand is null
            and coalesce(judged.product_type = policy.product_type, true)
            and {{ in_force(business_date(), 'policy') }}
)

select * from final
