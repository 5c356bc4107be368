{{ config(unique_key='observation_date') }}

with subscriptions_counted as (
    select * from {{ ref('int_customer_subscriptions_counted') }}
    where as_of_date = any({{ observation_dates() }})
),

customer as (
    select * from {{ ref('int_customer_dated') }}
),

billing as (
    select * from {{ ref('int_customer_billing_summarised') }}
),

faults as (
    select * from {{ ref('int_customer_faults_summarised') }}
),

broadband_usage as (
    select * from {{ ref('int_customer_usage_summarised') }}
),

optical as (
    select * from {{ ref('int_customer_optical_summarised') }}
),

habits as (
    select * from {{ ref('int_customer_habits_gathered') }}
),

final as (
    select
        as_of_date as observation_date,
        customer_id,
        customer.region,
        coalesce(customer.tenure_days, subscriptions_counted.oldest_subscription_days)
            as tenure_days,
        subscriptions_counted.active_subscription_count,
        subscriptions_counted.broadband_subscription_count,
        subscriptions_counted.mobile_subscription_count,
        subscriptions_counted.monthly_rent_amount,
        subscriptions_counted.contract_remaining_days,
        customer.star_level,
        customer.age_years,
        billing.invoice_amount_90d,
        coalesce(billing.payment_count_90d, 0) as payment_count_90d,
        coalesce(billing.late_payment_count_90d, 0) as late_payment_count_90d,
        coalesce(billing.overdue_amount, 0) as overdue_amount,
        coalesce(faults.ticket_count_30d, 0) as ticket_count_30d,
        coalesce(faults.ticket_count_90d, 0) as ticket_count_90d,
        coalesce(faults.dispatch_count_90d, 0) as dispatch_count_90d,
        coalesce(faults.open_ticket_count, 0) as open_ticket_count,
        faults.longest_fault_days_90d,
        broadband_usage.download_gib_30d,
        broadband_usage.online_hours_30d,
        broadband_usage.usage_change_ratio,
        broadband_usage.days_since_last_online,
        optical.optical_loss_db,
        subscriptions_counted.fixed_voice_subscription_count,
        subscriptions_counted.bandwidth_mbps,
        billing.arpu_amount,
        coalesce(billing.late_payment_count_12m, 0) as late_payment_count_12m,
        billing.balance_amount,
        billing.credit_limit_amount,
        billing.is_auto_pay::integer as is_auto_pay,
        billing.is_prepaid::integer as is_prepaid,
        (billing.account_state = 'suspended')::integer as is_suspended,
        coalesce(billing.arrears_suspension_count_12m, 0) as arrears_suspension_count_12m,
        habits.contact_count_3m,
        habits.hotline_contact_count_3m,
        habits.store_contact_count_3m,
        habits.electronic_contact_count_3m,
        habits.inquiry_count_3m,
        habits.bill_query_count_3m,
        habits.urge_count_3m,
        habits.complaint_count_3m,
        habits.fee_complaint_count_3m,
        habits.network_complaint_count_3m,
        habits.service_complaint_count_3m,
        habits.unresolved_complaint_count_3m,
        habits.complaint_count_12m,
        habits.days_since_last_contact,
        habits.data_mb_30d,
        habits.data_day_count_30d,
        habits.voice_minutes_30d,
        habits.voice_day_count_30d,
        habits.sms_count_30d,
        habits.mms_count_30d,
        habits.competitor_call_count_30d,
        habits.days_since_last_mobile_use,
        habits.value_added_service_count,
        habits.value_added_fee_amount,
        habits.has_ring_back_tone,
        habits.data_package_monthly_fee_amount,
        habits.data_used_ratio,
        habits.roaming_count_2m,
        habits.out_of_province_count_2m,
        habits.points_balance_count,
        habits.device_tenure_days,
        habits.is_smart_device,
        habits.linked_customer_count
    from subscriptions_counted
    left join customer using (as_of_date, customer_id)
    left join billing using (as_of_date, customer_id)
    left join faults using (as_of_date, customer_id)
    left join broadband_usage using (as_of_date, customer_id)
    left join optical using (as_of_date, customer_id)
    left join habits using (as_of_date, customer_id)
)

select * from final
