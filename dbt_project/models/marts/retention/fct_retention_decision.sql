-- reads_itself (see its yml): an insert from a view never runs in parallel, storing it first does.
{{ config(unique_key='business_date') }}

with decided as (
    select * from {{ ref('int_candidates_decided') }}
),

final as (
    select
        business_date,
        customer_id,
        campaign_code,
        revisit_tag,
        contact_class,
        team_code,
        customer_grade,
        subscription_id,
        rule_codes,
        highest_risk_level,
        churn_probability,
        monthly_value_amount,
        propensity_factor,
        value_factor,
        context_factor,
        lever_factor,
        lever_source,
        expected_profit_amount,
        priority_score,
        priority_rank,
        contact_count_30d,
        is_global_control,
        is_campaign_control,
        is_eligible,
        exclusion_reasons,
        drop_reason
    from decided
)

select * from final
