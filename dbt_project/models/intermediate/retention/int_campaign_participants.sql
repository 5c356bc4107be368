-- A view: asked by rpt_campaign_effect alone, when somebody asks that.
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

-- Of a list that was not published nobody was called.
published_list as (
    select distinct
        business_date as decision_date,
        revisit_tag
    from call_task
),

horizon as (
    select sum(parameter_value)::integer as horizon_days from parameter
    where parameter_name in ('label_gap_days', 'label_horizon_days')
),

-- The one place that says who belongs to which arm. Whoever was to be called counts as treated,
-- reached or not; a control is dropped for that alone, so he would have been called.
arm as (
    select
        business_date as decision_date,
        revisit_tag,
        customer_id,
        monthly_value_amount,
        is_eligible as is_treated
    from decision
    where is_eligible or drop_reason in ('global_control', 'campaign_control')
),

-- What is decided later depends on whether the customer was called at first.
first_arm as (
    select distinct on (
        date_trunc('month', arm.decision_date), arm.revisit_tag, arm.customer_id
    )
        arm.*,
        {{ end_of('arm.decision_date + horizon.horizon_days') }} as horizon_at
    from arm
    inner join published_list using (decision_date, revisit_tag)
    cross join horizon
    where arm.decision_date + horizon.horizon_days <= {{ business_date() }}
    order by
        date_trunc('month', arm.decision_date) asc,
        arm.revisit_tag asc,
        arm.customer_id asc,
        arm.decision_date asc
),

stayed as (
    select distinct
        first_arm.decision_date,
        first_arm.revisit_tag,
        first_arm.customer_id
    from first_arm
    inner join subscription on first_arm.customer_id = subscription.customer_id
    where {{ is_held_at('first_arm.horizon_at', 'subscription') }}
),

final as (
    select
        date_trunc('month', first_arm.decision_date)::date as decision_month,
        first_arm.revisit_tag,
        first_arm.customer_id,
        first_arm.decision_date,
        first_arm.monthly_value_amount,
        first_arm.is_treated,
        stayed.customer_id is null as is_lost
    from first_arm
    left join stayed using (decision_date, revisit_tag, customer_id)
)

select * from final
