{{ config(unique_key='business_date') }}

with candidate as (
    select * from {{ ref('int_candidates_valued') }}
),

parameter as (
    select * from {{ ref('int_retention_parameters_pivoted') }}
),

-- Whoever may be called at all is ranked: those who may not are ranked among themselves, unused.
candidate_ranked as (
    select
        candidate.*,
        row_number() over (
            partition by candidate.exclusion_reason is null
            order by candidate.priority_score desc, candidate.customer_id asc
        ) as value_rank
    from candidate
),

decided as (
    select
        candidate_ranked.*,
        case
            when candidate_ranked.exclusion_reason is not null
                then candidate_ranked.exclusion_reason
            when candidate_ranked.value_rank > parameter.call_list_capacity then 'over_capacity'
        end as drop_reason
    from candidate_ranked
    cross join parameter
),

final as (
    select
        business_date,
        customer_id,
        subscription_id,
        revisit_tag,
        rule_codes,
        highest_risk_level,
        churn_probability,
        monthly_value_amount,
        priority_score,
        case when drop_reason is null then value_rank::integer end as priority_rank,
        drop_reason is null as is_eligible,
        drop_reason
    from decided
)

select * from final
