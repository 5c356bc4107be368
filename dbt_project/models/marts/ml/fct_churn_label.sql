{{ config(unique_key='observation_date') }}

with feature as (
    select * from {{ ref('fct_churn_feature') }}
    where observation_date = any({{ observation_dates() }})
),

parameter as (
    select * from {{ ref('model_parameter') }}
),

subscription as (
    select * from {{ ref('int_subscription_dated') }}
    where as_of_date = {{ business_date() }}
),

same_person as (
    select * from {{ ref('int_customer_same_person') }}
),

horizon as (
    select
        max(parameter_value::integer) filter (where parameter_name = 'label_gap_days') as gap_days,
        max(parameter_value::integer) filter (where parameter_name = 'label_horizon_days')
            as horizon_days
    from parameter
),

-- Only what the business date already knows: later observations have no outcome yet.
observation as (
    select
        feature.observation_date,
        feature.customer_id,
        {{ end_of('feature.observation_date') }} as observed_at,
        {{ end_of('feature.observation_date + horizon.gap_days') }} as gap_end_at,
        {{ end_of('feature.observation_date + horizon.gap_days + horizon.horizon_days') }}
            as horizon_at
    from feature
    cross join horizon
    where
        feature.observation_date + horizon.gap_days + horizon.horizon_days <= {{ business_date() }}
),

held as (
    select
        observation.observation_date,
        observation.customer_id,
        subscription.product_type,
        subscription.terminated_at,
        subscription.termination_kind,
        observation.horizon_at > subscription.terminated_at as is_ended_by_horizon,
        {{ is_held_at('observation.observed_at', 'subscription') }} as is_held_observed,
        {{ is_held_at('observation.gap_end_at', 'subscription') }} as is_held_after_gap,
        {{ is_held_at('observation.horizon_at', 'subscription') }} as is_held_at_horizon
    from observation
    inner join subscription on observation.customer_id = subscription.customer_id
),

-- The service that ended last says how the customer left.
customer_held as (
    select
        observation_date,
        customer_id,
        bool_or(is_held_after_gap) as is_held_after_gap,
        bool_or(is_held_at_horizon) as is_held_at_horizon,
        {%- for product in ['mobile', 'broadband'] %}
            bool_or(is_held_observed) filter (where product_type = '{{ product }}')
                as had_{{ product }},
            bool_or(is_held_at_horizon) filter (where product_type = '{{ product }}')
                as has_{{ product }},
        {%- endfor %}
        (
            array_agg(termination_kind order by terminated_at desc)
            filter (where is_ended_by_horizon)
        )[1] as last_termination_kind
    from held
    group by observation_date, customer_id
),

person_active as (
    select distinct coalesce(same_person.person_customer_id, subscription.customer_id) as person_id
    from subscription
    left join same_person on subscription.customer_id = same_person.customer_id
    where {{ is_held_at(end_of(business_date()), 'subscription') }}
),

judged as (
    select
        observation.*,
        case when customer_held.had_mobile then not customer_held.has_mobile end
            as is_mobile_churned,
        case when customer_held.had_broadband then not customer_held.has_broadband end
            as is_broadband_churned,
        not coalesce(customer_held.is_held_at_horizon, false) as is_churned,
        customer_held.last_termination_kind
    from observation
    left join customer_held using (observation_date, customer_id)
    where coalesce(customer_held.is_held_after_gap, true)
),

final as (
    select
        judged.observation_date,
        judged.customer_id,
        judged.is_churned,
        case when judged.is_churned then judged.last_termination_kind end as churn_kind,
        judged.is_churned and person_active.person_id is null as is_truly_lost,
        judged.is_mobile_churned,
        judged.is_broadband_churned
    from judged
    left join same_person on judged.customer_id = same_person.customer_id
    left join person_active
        on coalesce(same_person.person_customer_id, judged.customer_id) = person_active.person_id
)

select * from final
