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

final as (
    select
        as_of_date as observation_date,
        customer_id,
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
        optical.optical_loss_db
    from subscriptions_counted
    left join customer using (as_of_date, customer_id)
    left join billing using (as_of_date, customer_id)
    left join faults using (as_of_date, customer_id)
    left join broadband_usage using (as_of_date, customer_id)
    left join optical using (as_of_date, customer_id)
)

select * from final
