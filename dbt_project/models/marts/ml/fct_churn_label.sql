{{ config(unique_key='observation_date') }}

with feature as (
    select * from {{ ref('fct_churn_feature') }}
    where observation_date = any({{ observation_dates() }})
),

parameter as (
    select * from {{ ref('model_parameter') }}
    where parameter_name = 'label_horizon_days'
),

subscription as (
    select * from {{ ref('int_subscription_dated') }}
    where as_of_date = {{ business_date() }}
),

-- Only what the business date already knows: later observations have no outcome yet.
observation as (
    select
        feature.observation_date,
        feature.customer_id,
        {{ end_of('feature.observation_date + parameter.parameter_value::integer') }} as horizon_at
    from feature
    cross join parameter
    where feature.observation_date + parameter.parameter_value::integer <= {{ business_date() }}
),

customer_retained as (
    select distinct
        observation.observation_date,
        observation.customer_id
    from observation
    inner join subscription
        on
            observation.customer_id = subscription.customer_id
            and observation.horizon_at > subscription.activated_at
    where
        subscription.terminated_at is null
        or subscription.terminated_at >= observation.horizon_at
),

final as (
    select
        observation.observation_date,
        observation.customer_id,
        customer_retained.customer_id is null as is_churned
    from observation
    left join customer_retained
        on
            observation.observation_date = customer_retained.observation_date
            and observation.customer_id = customer_retained.customer_id
)

select * from final
