with measured as (
    select * from {{ ref('int_customer_measured') }}
),

interpretation as (
    select * from {{ ref('customer_interpretation') }}
),

interpretation_in_force as (
    select * from interpretation
    where {{ in_force(business_date(), 'interpretation') }}
),

customer_judged as (
    select
        measured.customer_id,
        interpretation_in_force.interpretation_code,
        interpretation_in_force.display_order,
        interpretation_in_force.name_zh,
        interpretation_in_force.name_en
    from measured
    inner join interpretation_in_force on measured.measure = interpretation_in_force.measure
    where
        {{ compares(
            'measured.measured_value',
            'interpretation_in_force.operator',
            'interpretation_in_force.threshold_value'
        ) }}
),

final as (
    select
        customer_id,
        {{ business_date() }} as business_date,
        array_agg(interpretation_code order by interpretation_code) as interpretation_codes,
        string_agg(name_zh, '；' order by display_order, interpretation_code)
            as interpretations_zh,
        string_agg(name_en, '; ' order by display_order, interpretation_code)
            as interpretations_en,
        bool_or(interpretation_code = 'data_package_saturated') as is_data_saturated,
        bool_or(interpretation_code = 'frequent_data_user') as is_frequent_data_user,
        bool_or(interpretation_code = 'rare_data_user') as is_rare_data_user,
        bool_or(interpretation_code = 'frequent_roamer') as is_frequent_roamer,
        bool_or(interpretation_code = 'border_roamer') as is_border_roamer,
        bool_or(interpretation_code = 'complaint_alert') as is_complaint_alert
    from customer_judged
    group by customer_id
)

select * from final
