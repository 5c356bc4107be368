-- A view: read once, by fct_risk_warning, which keeps the few that raise a rule.
{{ config(materialized='view') }}

with subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

repeat_fault as (
    select * from {{ ref('int_repeat_fault_measured') }}
),

long_fault_closed as (
    select * from {{ ref('int_long_fault_closed_measured') }}
),

long_fault_open as (
    select * from {{ ref('int_long_fault_open_measured') }}
),

high_value as (
    select * from {{ ref('int_high_value_measured') }}
),

high_traffic as (
    select * from {{ ref('int_high_traffic_measured') }}
),

optical_loss as (
    select * from {{ ref('int_optical_loss_measured') }}
),

provisioning_delay as (
    select * from {{ ref('int_provisioning_delay_measured') }}
),

no_resource as (
    select * from {{ ref('int_no_resource_measured') }}
),

new_install_fault as (
    select * from {{ ref('int_new_install_fault_measured') }}
),

triple_hazard as (
    select * from {{ ref('int_triple_hazard_measured') }}
),

hazard_area as (
    select * from {{ ref('int_hazard_area_measured') }}
),

measured as (
    select * from repeat_fault
    union all
    select * from long_fault_closed
    union all
    select * from long_fault_open
    union all
    select * from high_value
    union all
    select * from high_traffic
    union all
    select * from optical_loss
    union all
    select * from provisioning_delay
    union all
    select * from no_resource
    union all
    select * from new_install_fault
    union all
    select * from triple_hazard
    union all
    select * from hazard_area
),

-- Only a line that lives can be at risk.
final as (
    select
        subscription.as_of_date as business_date,
        subscription.subscription_id,
        measured.rule_code,
        subscription.customer_id,
        subscription.product_type,
        measured.measured_value,
        measured.evidence
    from measured
    inner join subscription on measured.subscription_id = subscription.subscription_id
)

select * from final
