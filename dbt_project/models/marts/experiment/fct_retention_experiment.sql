{{ config(materialized='view') }}

with decision as (
    select * from {{ ref('fct_retention_decision') }}
),

call_task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

subscription as (
    select * from {{ ref('int_subscription_dated') }}
    where as_of_date = {{ business_date() }}
),

parameter as (
    select * from {{ ref('model_parameter') }}
),

uplift_parameter as (
    select * from {{ ref('uplift_parameter') }}
),

lookback as (
    select parameter_value::integer as lookback_days from uplift_parameter
    where parameter_name = 'lookback_days'
),

horizon as (
    select sum(parameter_value)::integer as horizon_days from parameter
    where parameter_name in ('label_gap_days', 'label_horizon_days')
),

-- Nights whose outcome the business date knows.
decided as (
    select
        decision.*,
        decision.business_date as decision_date,
        {{ end_of('decision.business_date + horizon.horizon_days') }} as horizon_at
    from decision
    cross join horizon
    cross join lookback
    where
        decision.business_date <= {{ business_date() }} - horizon.horizon_days
        and decision.business_date > {{ business_date() }} - lookback.lookback_days
),

-- Of a list that was not published nobody was called.
published_list as (
    select distinct
        business_date as decision_date,
        revisit_tag
    from call_task
),

-- A control is dropped for that alone: he would have been called.
participation as (
    select
        decided.*,
        decided.is_eligible as is_treated
    from decided
    inner join published_list using (decision_date, revisit_tag)
    left join call_task
        on
            decided.decision_date = call_task.business_date
            and decided.customer_id = call_task.customer_id
            and decided.revisit_tag = call_task.revisit_tag
    where
        (decided.is_eligible and call_task.call_task_id is not null)
        or decided.drop_reason in ('global_control', 'campaign_control')
),

-- What is decided later depends on whether the customer was called at first.
first_participation as (
    select distinct on (customer_id) *
    from participation
    order by customer_id asc, decision_date asc, revisit_tag asc
),

stayed as (
    select distinct first_participation.customer_id
    from first_participation
    inner join subscription on first_participation.customer_id = subscription.customer_id
    where {{ is_held_at('first_participation.horizon_at', 'subscription') }}
),

final as (
    select
        {{ business_date() }} as business_date,
        first_participation.customer_id,
        first_participation.decision_date,
        first_participation.campaign_code,
        first_participation.drop_reason as control_group,
        first_participation.churn_probability,
        first_participation.is_treated,
        stayed.customer_id is not null as has_stayed
    from first_participation
    left join stayed on first_participation.customer_id = stayed.customer_id
)

select * from final
