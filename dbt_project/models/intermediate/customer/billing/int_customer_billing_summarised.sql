with invoices as (
    select * from {{ ref('int_customer_invoices_summarised') }}
    where as_of_date in ({{ as_of_dates() }})
),

payments as (
    select * from {{ ref('int_customer_payments_summarised') }}
),

balance as (
    select * from {{ ref('int_customer_balance_summarised') }}
),

overdue_derived as (
    select * from {{ ref('int_customer_overdue_derived') }}
),

suspensions as (
    select * from {{ ref('int_customer_suspensions_counted') }}
    where arrears_suspension_count_12m + high_amount_suspension_count_12m > 0
),

-- What is overdue is what the billing system says of the day; of a day without its balances it is
-- what the invoices say. No day has both.
final as (
    select
        as_of_date,
        customer_id,
        round(invoices.invoice_amount_90d, 2) as invoice_amount_90d,
        round(invoices.arpu_amount, 2) as arpu_amount,
        coalesce(invoices.billed_month_count, 0) as billed_month_count,
        coalesce(payments.payment_count_90d, 0) as payment_count_90d,
        coalesce(payments.late_payment_count_90d, 0) as late_payment_count_90d,
        coalesce(payments.late_payment_count_12m, 0) as late_payment_count_12m,
        round(coalesce(balance.overdue_amount, overdue_derived.overdue_amount, 0), 2)
            as overdue_amount,
        balance.planned_suspension_date,
        balance.balance_amount,
        balance.credit_limit_amount,
        balance.account_state,
        balance.is_auto_pay,
        balance.is_prepaid,
        coalesce(suspensions.arrears_suspension_count_12m, 0) as arrears_suspension_count_12m
    from invoices
    full outer join payments using (as_of_date, customer_id)
    full outer join balance using (as_of_date, customer_id)
    full outer join overdue_derived using (as_of_date, customer_id)
    full outer join suspensions using (as_of_date, customer_id)
)

select * from final
