{{ config(severity='warn') }}

-- A rule whose policy is not delivered, refused, over or for one brand alone compensates nobody.
select
    rule.cause_code,
    rule.policy_code
from {{ ref('soothing_rule') }} as rule
left join {{ ref('dim_retention_policy') }} as policy
    on
        rule.policy_code = policy.policy_code
        and policy.is_accepted
        and policy.brand is null
        and {{ in_force(business_date(), 'policy') }}
where
    rule.policy_code is not null
    and policy.policy_code is null
    and {{ in_force(business_date(), 'rule') }}
