with profiled as (
    select * from {{ ref('int_customer_tier_profiled') }}
),

-- Any customer of a profile can stand for all, and so can the least of each measure.
final as (
    select
        {{ business_date() }} as business_date,
        profile_key,
        min(value_score) as value_score,
        min(credit_score) as credit_score,
        min(arpu_amount) as arpu_amount,
        min(tenure_months) as tenure_months,
        min(star_level) as star_level,
        min(active_subscription_count) as active_subscription_count,
        min(is_organisation) as is_organisation,
        min(is_prepaid) as is_prepaid,
        min(is_gold_listed) as is_gold_listed,
        min(is_red_listed) as is_red_listed,
        min(is_black_listed) as is_black_listed,
        min(complaint_count) as complaint_count,
        min(fault_inquiry_count) as fault_inquiry_count,
        min(new_service_inquiry_count) as new_service_inquiry_count,
        min(data_inquiry_count) as data_inquiry_count,
        min(plan_inquiry_count) as plan_inquiry_count,
        min(payment_count) as payment_count,
        min(late_payment_count) as late_payment_count,
        min(overdue_amount) as overdue_amount,
        min(arrears_suspension_count) as arrears_suspension_count,
        min(arrears_sign_count) as arrears_sign_count,
        min(opened_number_count) as opened_number_count,
        min(early_passive_end_count) as early_passive_end_count,
        count(*)::integer as customer_count
    from profiled
    group by profile_key
)

select * from final
