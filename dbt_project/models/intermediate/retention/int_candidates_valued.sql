-- A view: what a candidate is worth rests on parameters that a preview may try.
{{ config(materialized='view') }}

with candidate as (
    select * from {{ ref('int_candidates_selected') }}
),

-- Not materialised, these two: what is read twice would keep the candidates from the workers.
campaign as not materialized (
    select * from {{ ref('int_campaigns_in_force') }}
),

parameter as not materialized (
    select * from {{ ref('int_retention_parameters_pivoted') }}
),

retention_parameter as (
    select * from {{ ref('retention_parameter') }}
),

weight as (
    select
        retention_parameter.parameter_name,
        {{ tried('retention_parameter.parameter_name', 'retention_parameter.parameter_value') }}
            as risk_weight
    from retention_parameter
    where
        starts_with(retention_parameter.parameter_name, 'risk_weight_')
        and {{ in_force(business_date(), 'retention_parameter') }}
),

risk as (
    select * from {{ ref('fct_customer_risk') }}
    where business_date = {{ business_date() }}
),

uplift as (
    select * from {{ ref('int_customer_uplift_ranked') }}
),

-- Left joins, though each finds its row: after inner ones the planner would expect one candidate.
likely as (
    select
        candidate.*,
        case campaign.propensity_source
            when 'churn'
                then coalesce(candidate.churn_probability, parameter.churn_probability_default)
            when 'fixed' then campaign.propensity
        end as propensity_factor
    from candidate
    left join campaign on candidate.campaign_code = campaign.campaign_code
    cross join parameter
),

-- How likely it is what the call is about, what that is worth, how much it matters now, and what
-- share of it a call turns: the campaign's lever or, of calls against churn while uplift ranks
-- them, the customer's own, negative where a call does harm.
factored as (
    select
        likely.*,
        campaign.value_months * case campaign.value_source
            when 'monthly' then likely.monthly_value_amount
            when 'overdue' then likely.overdue_amount
            when 'fixed' then campaign.value_amount
        end as value_factor,
        campaign.context_weight * weight.risk_weight as context_factor,
        coalesce(round(uplift.uplift / nullif(likely.propensity_factor, 0), 6), campaign.lever)
            as lever_factor,
        case when uplift.customer_id is null then 'campaign' else 'uplift' end as lever_source,
        coalesce(uplift.is_sleeping_dog, false) as is_sleeping_dog
    from likely
    left join campaign on likely.campaign_code = campaign.campaign_code
    left join weight
        on 'risk_weight_' || coalesce(likely.highest_risk_level, 'none') = weight.parameter_name
    left join uplift
        on likely.customer_id = uplift.customer_id and campaign.propensity_source = 'churn'
),

final as (
    select
        factored.*,
        campaign.revisit_tag,
        campaign.contact_class,
        campaign.team_code,
        campaign.precedence,
        campaign.first_hour,
        case campaign.line_source
            when 'risk' then risk.worst_subscription_id
            when 'contract' then factored.contract_subscription_id
        end as subscription_id,
        round(
            factored.propensity_factor * factored.value_factor * factored.lever_factor
            - parameter.call_cost_amount,
            4
        ) as expected_profit_amount,
        round(
            case when parameter.propensity_factor_is_on then factored.propensity_factor else 1 end
            * case when parameter.value_factor_is_on then factored.value_factor else 1 end
            * case when parameter.context_factor_is_on then factored.context_factor else 1 end
            * case when parameter.lever_factor_is_on then factored.lever_factor else 1 end,
            4
        ) as priority_score,
        {{ hashed_share("concat(parameter.control_salt, '|', factored.customer_id)") }}
        < parameter.global_control_share as is_global_control,
        {{ hashed_share(
            "concat(parameter.control_salt, '|', campaign.campaign_code, '|', factored.customer_id)"
        ) }} < campaign.control_share as is_campaign_control,
        campaign.is_pitch,
        campaign.needs_consent,
        campaign.is_limited,
        campaign.must_pay,
        campaign.is_held_out
    from factored
    left join campaign on factored.campaign_code = campaign.campaign_code
    cross join parameter
    left join risk on factored.customer_id = risk.customer_id
)

select * from final
