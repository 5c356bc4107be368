-- A view, like all that follows from it, so that a preview can try other values (macros/tried.sql).
{{ config(materialized='view') }}

with parameter as (
    select * from {{ ref('retention_parameter') }}
),

parameter_in_force as (
    select * from parameter
    where {{ in_force(business_date(), 'parameter') }}
),

final as (
    select
        {{ business_date() }} as business_date,
        {{ retention_parameter('churn_probability_minimum') }} as churn_probability_minimum,
        {{ retention_parameter('churn_probability_default') }} as churn_probability_default,
        {{ retention_parameter('new_install_days') }} as new_install_days,
        {{ retention_parameter('contract_expiry_days') }} as contract_expiry_days,
        {{ retention_parameter('pre_suspension_days') }} as pre_suspension_days,
        {{ retention_parameter('dunning_amount_minimum') }} as dunning_amount_minimum,
        {{ retention_parameter('silent_days') }} as silent_days,
        {{ retention_parameter('silent_days_maximum') }} as silent_days_maximum,
        {{ retention_parameter('competitor_call_minimum') }} as competitor_call_minimum,
        {{ retention_parameter('leaving_sign_days') }} as leaving_sign_days,
        {{ retention_parameter('ring_back_tone_minutes_minimum') }}
            as ring_back_tone_minutes_minimum,
        {{ retention_parameter('care_complaint_days') }} as care_complaint_days,
        {{ retention_parameter('call_cost_amount') }} as call_cost_amount,
        {{ retention_parameter('propensity_factor_is_on') }} > 0 as propensity_factor_is_on,
        {{ retention_parameter('value_factor_is_on') }} > 0 as value_factor_is_on,
        {{ retention_parameter('context_factor_is_on') }} > 0 as context_factor_is_on,
        {{ retention_parameter('lever_factor_is_on') }} > 0 as lever_factor_is_on,
        {{ retention_parameter('global_control_share') }} as global_control_share,
        {{ retention_parameter('control_salt') }} as control_salt
    from parameter_in_force
    having count(*) > 0
)

select * from final
