with measured as (
    select * from {{ ref('int_customer_tier_measured') }}
),

threshold as (
    select * from {{ ref('int_tier_thresholds_united') }}
),

threshold_listed as (
    select
        measure,
        array_agg(threshold_value order by threshold_value) as thresholds
    from threshold
    group by measure
),

-- One row: the thresholds of each measure, null for one that nothing asks for.
reach as (
    select
        max(thresholds) filter (where measure = 'value_score') as value_score,
        max(thresholds) filter (where measure = 'credit_score') as credit_score,
        max(thresholds) filter (where measure = 'arpu_amount') as arpu_amount,
        max(thresholds) filter (where measure = 'tenure_months') as tenure_months,
        max(thresholds) filter (where measure = 'star_level') as star_level,
        max(thresholds) filter (where measure = 'active_subscription_count')
            as active_subscription_count,
        max(thresholds) filter (where measure = 'is_organisation') as is_organisation,
        max(thresholds) filter (where measure = 'is_prepaid') as is_prepaid,
        max(thresholds) filter (where measure = 'is_gold_listed') as is_gold_listed,
        max(thresholds) filter (where measure = 'is_red_listed') as is_red_listed,
        max(thresholds) filter (where measure = 'is_black_listed') as is_black_listed,
        max(thresholds) filter (where measure = 'complaint_count') as complaint_count,
        max(thresholds) filter (where measure = 'fault_inquiry_count') as fault_inquiry_count,
        max(thresholds) filter (where measure = 'new_service_inquiry_count')
            as new_service_inquiry_count,
        max(thresholds) filter (where measure = 'data_inquiry_count') as data_inquiry_count,
        max(thresholds) filter (where measure = 'plan_inquiry_count') as plan_inquiry_count,
        max(thresholds) filter (where measure = 'payment_count') as payment_count,
        max(thresholds) filter (where measure = 'late_payment_count') as late_payment_count,
        max(thresholds) filter (where measure = 'overdue_amount') as overdue_amount,
        max(thresholds) filter (where measure = 'arrears_suspension_count')
            as arrears_suspension_count,
        max(thresholds) filter (where measure = 'arrears_sign_count') as arrears_sign_count,
        max(thresholds) filter (where measure = 'opened_number_count') as opened_number_count,
        max(thresholds) filter (where measure = 'early_passive_end_count')
            as early_passive_end_count
    from threshold_listed
),

-- Millions of customers have a few thousand profiles: how many thresholds each measure reaches
-- decides every tier, so that tiers are found once per profile.
final as (
    select
        measured.customer_id,
        measured.region,
        measured.value_score,
        measured.credit_score,
        measured.arpu_amount,
        measured.tenure_months,
        measured.star_level,
        measured.active_subscription_count,
        measured.is_organisation,
        measured.is_prepaid,
        measured.is_gold_listed,
        measured.is_red_listed,
        measured.is_black_listed,
        measured.complaint_count,
        measured.fault_inquiry_count,
        measured.new_service_inquiry_count,
        measured.data_inquiry_count,
        measured.plan_inquiry_count,
        measured.payment_count,
        measured.late_payment_count,
        measured.overdue_amount,
        measured.arrears_suspension_count,
        measured.arrears_sign_count,
        measured.opened_number_count,
        measured.early_passive_end_count,
        array_to_string(
            array[
                width_bucket(measured.value_score, reach.value_score),
                width_bucket(measured.credit_score, reach.credit_score),
                width_bucket(measured.arpu_amount, reach.arpu_amount),
                width_bucket(measured.tenure_months, reach.tenure_months),
                width_bucket(measured.star_level, reach.star_level),
                width_bucket(measured.active_subscription_count, reach.active_subscription_count),
                width_bucket(measured.is_organisation, reach.is_organisation),
                width_bucket(measured.is_prepaid, reach.is_prepaid),
                width_bucket(measured.is_gold_listed, reach.is_gold_listed),
                width_bucket(measured.is_red_listed, reach.is_red_listed),
                width_bucket(measured.is_black_listed, reach.is_black_listed),
                width_bucket(measured.complaint_count, reach.complaint_count),
                width_bucket(measured.fault_inquiry_count, reach.fault_inquiry_count),
                width_bucket(measured.new_service_inquiry_count, reach.new_service_inquiry_count),
                width_bucket(measured.data_inquiry_count, reach.data_inquiry_count),
                width_bucket(measured.plan_inquiry_count, reach.plan_inquiry_count),
                width_bucket(measured.payment_count, reach.payment_count),
                width_bucket(measured.late_payment_count, reach.late_payment_count),
                width_bucket(measured.overdue_amount, reach.overdue_amount),
                width_bucket(measured.arrears_suspension_count, reach.arrears_suspension_count),
                width_bucket(measured.arrears_sign_count, reach.arrears_sign_count),
                width_bucket(measured.opened_number_count, reach.opened_number_count),
                width_bucket(measured.early_passive_end_count, reach.early_passive_end_count)
            ],
            ',',
            '-'
        ) as profile_key
    from measured
    cross join reach
)

select * from final
