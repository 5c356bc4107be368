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
        array_agg(interpretation_in_force.interpretation_code) as codes
    from measured
    inner join interpretation_in_force on measured.measure = interpretation_in_force.measure
    where
        {{ compares(
            'measured.measured_value',
            'interpretation_in_force.operator',
            'interpretation_in_force.threshold_value'
        ) }}
    group by measured.customer_id
),

-- A million customers share a few hundred combinations: each is sorted and put into words once.
combination as (
    select distinct codes
    from customer_judged
),

combination_told as (
    select
        combination.codes,
        array_agg(
            interpretation_in_force.interpretation_code
            order by interpretation_in_force.interpretation_code
        ) as interpretation_codes,
        string_agg(
            interpretation_in_force.name_zh, '；' order by interpretation_in_force.display_order
        ) as interpretations_zh,
        string_agg(
            interpretation_in_force.name_en, '; ' order by interpretation_in_force.display_order
        ) as interpretations_en
    from combination
    inner join interpretation_in_force
        on interpretation_in_force.interpretation_code = any(combination.codes)
    group by combination.codes
),

final as (
    select
        customer_judged.customer_id,
        {{ business_date() }} as business_date,
        combination_told.interpretation_codes,
        combination_told.interpretations_zh,
        combination_told.interpretations_en,
        'data_package_saturated' = any(customer_judged.codes) as is_data_saturated,
        'frequent_data_user' = any(customer_judged.codes) as is_frequent_data_user,
        'rare_data_user' = any(customer_judged.codes) as is_rare_data_user,
        'frequent_roamer' = any(customer_judged.codes) as is_frequent_roamer,
        'border_roamer' = any(customer_judged.codes) as is_border_roamer,
        'complaint_alert' = any(customer_judged.codes) as is_complaint_alert
    from customer_judged
    inner join combination_told on customer_judged.codes = combination_told.codes
)

select * from final
