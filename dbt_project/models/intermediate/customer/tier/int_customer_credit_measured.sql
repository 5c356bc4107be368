-- A view: read once, by int_customer_credit_scored.
{{ config(materialized='view') }}

with subscriptions_counted as (
    select * from {{ ref('int_customer_subscriptions_counted') }}
),

customer as (
    select * from {{ ref('int_customer_dated') }}
),

billing as (
    select * from {{ ref('int_customer_billing_summarised') }}
),

final as (
    select
        as_of_date,
        customer_id,
        billing.late_payment_count_90d::numeric / nullif(billing.payment_count_90d, 0)
            as late_payment_share,
        -- Months of spending that are owed; nothing owed is nothing, whatever the spending.
        case
            when coalesce(billing.overdue_amount, 0) = 0 then 0
            else billing.overdue_amount / nullif(greatest(billing.arpu_amount, 0), 0)
        end as overdue_month_count,
        coalesce(billing.arrears_suspension_count_12m, 0)::numeric as arrears_suspension_count,
        coalesce(customer.tenure_days, subscriptions_counted.oldest_subscription_days)::numeric
            as tenure_days,
        billing.is_auto_pay::integer::numeric as is_auto_pay
    from subscriptions_counted
    left join customer using (as_of_date, customer_id)
    left join billing using (as_of_date, customer_id)
)

select * from final
