with parameter as (
    select * from {{ ref('retention_parameter') }}
),

final as (
    select
        {{ business_date() }} as business_date,
        max(parameter_value) filter (
            where parameter_name = 'call_list_capacity'
        ) as call_list_capacity,
        max(parameter_value) filter (
            where parameter_name = 'churn_probability_minimum'
        ) as churn_probability_minimum,
        max(parameter_value) filter (
            where parameter_name = 'churn_probability_default'
        ) as churn_probability_default
    from parameter
    having count(*) > 0
)

select * from final
