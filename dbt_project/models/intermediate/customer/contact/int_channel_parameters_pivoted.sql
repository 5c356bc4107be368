-- A view: one row.
{{ config(materialized='view') }}

with parameter as (
    select * from {{ ref('channel_parameter') }}
),

final as (
    select
        max(parameter.parameter_value) filter (
            where parameter.parameter_name = 'prior_contact_count'
        ) as prior_contact_count,
        max(parameter.parameter_value) filter (
            where parameter.parameter_name = 'favourite_acceptance_minimum'
        ) as favourite_acceptance_minimum,
        max(parameter.parameter_value) filter (
            where parameter.parameter_name = 'dislike_refusal_minimum'
        ) as dislike_refusal_minimum,
        max(parameter.parameter_value) filter (
            where parameter.parameter_name = 'dislike_refusal_share'
        ) as dislike_refusal_share
    from parameter
    where {{ in_force(business_date(), 'parameter') }}
)

select * from final
