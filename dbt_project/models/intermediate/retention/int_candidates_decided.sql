-- A view: the whole decision, which a preview asks with other values (macros/tried.sql).
{{ config(materialized='view') }}

with candidate as (
    select * from {{ ref('int_candidates_judged') }}
),

capacity as (
    select * from {{ ref('int_team_capacity_left') }}
),

-- One wave at a time: of what may be called, each customer's first.
waved as (
    select
        candidate.*,
        cardinality(candidate.exclusion_reasons) = 0
        and row_number() over (
            partition by candidate.customer_id
            order by
                cardinality(candidate.exclusion_reasons) > 0 asc,
                candidate.precedence asc,
                candidate.priority_score desc,
                candidate.campaign_code asc
        ) = 1 as is_first_wave,
        candidate.is_held_out and (candidate.is_global_control or candidate.is_campaign_control)
            as is_control
    from candidate
),

-- Controls take no agent, and have the place that they would have had: so they are those who would
-- have been called, and can be compared with those who were.
placed as (
    select
        waved.*,
        case
            when waved.is_first_wave then 1 + count(*) filter (where not waved.is_control) over (
                partition by waved.team_code, waved.customer_grade, waved.is_first_wave
                order by
                    waved.precedence asc, waved.priority_score desc, waved.customer_id asc
                rows between unbounded preceding and 1 preceding
            )
        end as place_number
    from waved
),

decided as (
    select
        placed.*,
        case
            when cardinality(placed.exclusion_reasons) > 0 then placed.exclusion_reasons[1]
            when not placed.is_first_wave then 'one_wave'
            when placed.place_number > coalesce(capacity.capacity_left, 0) then 'over_capacity'
            when placed.is_held_out and placed.is_global_control then 'global_control'
            when placed.is_control then 'campaign_control'
        end as drop_reason
    from placed
    left join capacity
        on
            placed.team_code = capacity.team_code
            and placed.customer_grade = capacity.customer_grade
),

final as (
    select
        decided.business_date,
        decided.customer_id,
        decided.campaign_code,
        decided.revisit_tag,
        decided.contact_class,
        decided.team_code,
        decided.customer_grade,
        decided.subscription_id,
        decided.rule_codes,
        decided.highest_risk_level,
        decided.churn_probability,
        decided.monthly_value_amount,
        decided.propensity_factor,
        decided.value_factor,
        decided.context_factor,
        decided.lever_factor,
        decided.lever_source,
        decided.expected_profit_amount,
        decided.priority_score,
        case
            when decided.drop_reason is null
                then row_number() over (
                    partition by decided.drop_reason
                    order by
                        decided.precedence asc,
                        decided.priority_score desc,
                        decided.customer_id asc
                )::integer
        end as priority_rank,
        decided.contact_count_30d,
        decided.is_global_control,
        decided.is_campaign_control,
        decided.drop_reason is null as is_eligible,
        decided.exclusion_reasons,
        decided.drop_reason
    from decided
)

select * from final
