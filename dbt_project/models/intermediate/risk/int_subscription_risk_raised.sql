-- A view: read once, by fct_risk_warning.
{{ config(materialized='view') }}

with subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

repeat_fault as (
    select * from {{ ref('int_repeat_fault_raised') }}
),

long_fault_closed as (
    select * from {{ ref('int_long_fault_closed_raised') }}
),

long_fault_open as (
    select * from {{ ref('int_long_fault_open_raised') }}
),

high_value as (
    select * from {{ ref('int_high_value_raised') }}
),

high_traffic as (
    select * from {{ ref('int_high_traffic_raised') }}
),

optical_loss as (
    select * from {{ ref('int_optical_loss_raised') }}
),

provisioning_delay as (
    select * from {{ ref('int_provisioning_delay_raised') }}
),

no_resource as (
    select * from {{ ref('int_no_resource_raised') }}
),

new_install_fault as (
    select * from {{ ref('int_new_install_fault_raised') }}
),

triple_hazard as (
    select * from {{ ref('int_triple_hazard_raised') }}
),

hazard_area as (
    select * from {{ ref('int_hazard_area_raised') }}
),

raised as (
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
        raised.rule_code,
        subscription.customer_id,
        subscription.product_type,
        raised.measured_value,
        raised.evidence
    from raised
    inner join subscription on raised.subscription_id = subscription.subscription_id
)

select * from final
