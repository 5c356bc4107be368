with profile as (
    select * from {{ ref('int_tier_profile_measured') }}
),

rule as (
    select * from {{ ref('segment_rule') }}
),

rule_asked as (
    select
        profile.profile_key,
        rule.segment_code,
        {{ compares(
            tier_measure('rule.measure', 'profile'), 'rule.operator', 'rule.threshold_value'
        ) }} as does_hold
    from profile
    inner join rule on {{ in_force(business_date(), 'rule') }}
),

-- All conditions of a segment hold; what is not known does not.
final as (
    select
        {{ business_date() }} as business_date,
        profile_key,
        segment_code
    from rule_asked
    group by profile_key, segment_code
    having bool_and(coalesce(does_hold, false))
)

select * from final
