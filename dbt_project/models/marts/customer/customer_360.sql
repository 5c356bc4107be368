with customer as (
    select * from {{ ref('int_customer_dated') }}
    where as_of_date = {{ business_date() }}
),

subscriptions_counted as (
    select * from {{ ref('int_customer_subscriptions_counted') }}
    where as_of_date = {{ business_date() }}
),

billing as (
    select * from {{ ref('int_customer_billing_summarised') }}
    where as_of_date = {{ business_date() }}
),

faults as (
    select * from {{ ref('int_customer_faults_summarised') }}
    where as_of_date = {{ business_date() }}
),

broadband_usage as (
    select * from {{ ref('int_customer_usage_summarised') }}
    where as_of_date = {{ business_date() }}
),

optical as (
    select * from {{ ref('int_customer_optical_summarised') }}
    where as_of_date = {{ business_date() }}
),

warnings as (
    select * from {{ ref('int_customer_warnings_summarised') }}
),

score as (
    select * from {{ ref('int_churn_score_explained') }}
),

final as (
    select
        customer_id,
        customer.as_of_date as business_date,
        left(customer.customer_name, 1) || '**' as masked_name,
        {{ masked_phone('customer.contact_phone') }} as masked_phone,
        customer.gender,
        customer.age_years,
        customer.region,
        customer.county,
        customer.star_level,
        customer.is_do_not_call,
        customer.registered_date,
        customer.tenure_days,
        coalesce(subscriptions_counted.active_subscription_count, 0)
            as active_subscription_count,
        coalesce(subscriptions_counted.broadband_subscription_count, 0)
            as broadband_subscription_count,
        coalesce(subscriptions_counted.mobile_subscription_count, 0)
            as mobile_subscription_count,
        coalesce(subscriptions_counted.fixed_voice_subscription_count, 0)
            as fixed_voice_subscription_count,
        subscriptions_counted.monthly_rent_amount,
        subscriptions_counted.contract_remaining_days,
        billing.invoice_amount_90d,
        coalesce(billing.payment_count_90d, 0) as payment_count_90d,
        coalesce(billing.late_payment_count_90d, 0) as late_payment_count_90d,
        coalesce(billing.overdue_amount, 0) as overdue_amount,
        coalesce(faults.open_ticket_count, 0) as open_ticket_count,
        coalesce(faults.ticket_count_30d, 0) as ticket_count_30d,
        coalesce(faults.ticket_count_90d, 0) as ticket_count_90d,
        coalesce(faults.dispatch_count_90d, 0) as dispatch_count_90d,
        faults.longest_fault_days_90d,
        broadband_usage.download_gib_30d,
        broadband_usage.online_hours_30d,
        broadband_usage.usage_change_ratio,
        broadband_usage.days_since_last_online,
        optical.optical_loss_db,
        optical.optical_measured_at,
        coalesce(warnings.warning_count, 0) as warning_count,
        warnings.highest_risk_level,
        coalesce(warnings.rule_codes, array[]::text[]) as rule_codes,
        score.churn_probability,
        score.model_version,
        score.churn_reason_1,
        score.churn_reason_2,
        score.churn_reason_3
    from customer
    left join subscriptions_counted using (customer_id)
    left join billing using (customer_id)
    left join faults using (customer_id)
    left join broadband_usage using (customer_id)
    left join optical using (customer_id)
    left join warnings using (customer_id)
    left join score using (customer_id)
)

select * from final
