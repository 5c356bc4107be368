-- Read once, by fct_list_membership: storing it would only cost time.
{{ config(materialized='view') }}

with warning as (
    select * from {{ ref('fct_risk_warning') }}
    where business_date = {{ business_date() }}
),

parameter as (
    select * from {{ ref('retention_parameter') }}
),

scored as (
    select * from {{ ref('int_customer_sensitivity_scored') }}
    where as_of_date = {{ business_date() }}
),

band as (
    select * from {{ ref('sensitivity_band') }}
    where sensitivity_kind = 'complaint'
),

complaints as (
    select * from {{ ref('int_customer_complaints_summarised') }}
    where as_of_date = {{ business_date() }}
),

billing as (
    select * from {{ ref('int_customer_billing_summarised') }}
    where as_of_date = {{ business_date() }}
),

risk_weighted as (
    select
        warning.customer_id,
        'standing_risk_weight' as measure,
        max(parameter.parameter_value) as measured_value
    from warning
    inner join parameter
        on
            'risk_weight_' || warning.risk_level = parameter.parameter_name
            and {{ in_force(business_date(), 'parameter') }}
    group by warning.customer_id
),

sensitivity_ranked as (
    select
        scored.customer_id,
        'complaint_sensitivity_rank' as measure,
        band.band_rank::numeric as measured_value
    from scored
    inner join band
        on
            scored.complaint_sensitivity_band = band.band_code
            and {{ in_force(business_date(), 'band') }}
),

-- Whoever has left is no service-sensitive customer, but may still owe.
complaints_counted as (
    select
        complaints.customer_id,
        'complaint_count_3m' as measure,
        complaints.complaint_count_3m::numeric as measured_value
    from complaints
    inner join scored on complaints.customer_id = scored.customer_id
),

final as (
    select * from risk_weighted
    union all
    select * from sensitivity_ranked
    union all
    select * from complaints_counted
    union all
    select
        customer_id,
        'overdue_amount' as measure,
        overdue_amount as measured_value
    from billing
)

select * from final
