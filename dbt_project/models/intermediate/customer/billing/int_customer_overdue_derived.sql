-- A view: read once, by int_customer_billing_summarised.
{{ config(materialized='view') }}

with as_of_without_balance as (
    select as_of_date from {{ ref('stg_billing__balance_delivered') }}
    where not is_recent
),

-- The condition knows no row, so it is asked once: where every day has its balances, the months of
-- invoices and payments below are not read at all.
invoice as (
    select * from {{ ref('fct_invoice') }}
    where exists (select as_of_without_balance.as_of_date from as_of_without_balance)
),

payment as (
    select * from {{ ref('fct_payment') }}
    where exists (select as_of_without_balance.as_of_date from as_of_without_balance)
),

invoice_due as (
    select
        as_of_without_balance.as_of_date,
        invoice.invoice_id,
        invoice.customer_id,
        invoice.invoice_amount
    from as_of_without_balance
    inner join invoice
        on
            as_of_without_balance.as_of_date >= invoice.due_date
            and invoice.issued_at < {{ end_of('as_of_without_balance.as_of_date') }}
            and invoice.issued_at
            >= {{ window_start('as_of_without_balance.as_of_date', "interval '12 months'") }}
),

invoice_paid as (
    select
        as_of_without_balance.as_of_date,
        payment.invoice_id,
        sum(payment.payment_amount) as paid_amount
    from as_of_without_balance
    inner join payment on payment.paid_at < {{ end_of('as_of_without_balance.as_of_date') }}
    where payment.invoice_id is not null
    group by as_of_without_balance.as_of_date, payment.invoice_id
),

final as (
    select
        invoice_due.as_of_date,
        invoice_due.customer_id,
        sum(greatest(invoice_due.invoice_amount - coalesce(invoice_paid.paid_amount, 0), 0))
            as overdue_amount
    from invoice_due
    left join invoice_paid
        on
            invoice_due.as_of_date = invoice_paid.as_of_date
            and invoice_due.invoice_id = invoice_paid.invoice_id
    group by invoice_due.as_of_date, invoice_due.customer_id
)

select * from final
