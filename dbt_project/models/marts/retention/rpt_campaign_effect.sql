-- A view: who asks gets what last night knew, and no night pays for months that are over.
{{ config(materialized='view') }}

with participant as (
    select * from {{ ref('int_campaign_participants') }}
),

parameter as (
    select * from {{ ref('retention_parameter') }}
),

-- Unknown what a call costs: no profit.
cost as (
    select
        max(parameter.parameter_value) filter (
            where parameter.parameter_name = 'call_cost_amount'
        ) as call_cost_amount,
        max(parameter.parameter_value) filter (
            where parameter.parameter_name = 'saved_value_months'
        ) as saved_value_months
    from parameter
    where {{ in_force(business_date(), 'parameter') }}
),

counted as (
    select
        decision_month,
        revisit_tag,
        count(*) filter (where is_treated) as treated_count,
        count(*) filter (where not is_treated) as control_count,
        count(*) filter (where is_treated and is_lost) as treated_lost_count,
        count(*) filter (where not is_treated and is_lost) as control_lost_count,
        avg(case when is_lost then 0 else monthly_value_amount end) filter (where is_treated)
            as treated_kept_amount,
        avg(case when is_lost then 0 else monthly_value_amount end) filter (where not is_treated)
            as control_kept_amount
    from participant
    group by decision_month, revisit_tag
),

rated as (
    select
        counted.*,
        {%- for arm in ['treated', 'control'] %}
            {%- set lost, total = 'counted.' ~ arm ~ '_lost_count', 'counted.' ~ arm ~ '_count' %}
            {{ lost }}::double precision / nullif({{ total }}, 0) as {{ arm }}_rate,
            {{ wilson_bound(lost, total, -1) }} as {{ arm }}_low,
            {{ wilson_bound(lost, total, 1) }} as {{ arm }}_high,
        {%- endfor %}
        counted.treated_count * (counted.treated_kept_amount - counted.control_kept_amount)
            as saved_monthly_amount
    from counted
),

-- What is saved is what the controls lose beyond the treated.
compared as (
    select
        rated.*,
        rated.control_rate - rated.treated_rate as saved_rate,
        {{ newcombe_bound('rated.control', 'rated.treated', -1) }} as saved_rate_low,
        {{ newcombe_bound('rated.control', 'rated.treated', 1) }} as saved_rate_high
    from rated
),

final as (
    select
        compared.decision_month,
        compared.revisit_tag,
        compared.treated_count,
        compared.control_count,
        compared.treated_lost_count,
        compared.control_lost_count,
        round(compared.treated_rate::numeric, 6) as treated_loss_rate,
        round(compared.control_rate::numeric, 6) as control_loss_rate,
        round(compared.saved_rate::numeric, 6) as saved_rate,
        round(compared.saved_rate_low::numeric, 6) as saved_rate_low,
        round(compared.saved_rate_high::numeric, 6) as saved_rate_high,
        round((compared.treated_count * compared.saved_rate)::numeric, 1) as saved_count,
        case
            when compared.saved_rate_low > 0 then 'works'
            when compared.saved_rate_high < 0 then 'harms'
            when compared.saved_rate is not null then 'not_shown'
            else 'no_comparison'
        end as effect_verdict,
        round(compared.saved_monthly_amount, 2) as saved_monthly_amount,
        round(compared.treated_count * cost.call_cost_amount, 2) as call_cost_amount,
        round(
            compared.saved_monthly_amount * cost.saved_value_months
            - compared.treated_count * cost.call_cost_amount,
            2
        ) as profit_amount
    from compared
    cross join cost
)

select * from final
