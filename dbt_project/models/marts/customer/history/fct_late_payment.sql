-- Incremental: whether a payment was late is decided when it comes, or its invoice does. So a year
-- of lateness is a few rows, and no night joins all payments to all invoices.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_from',
        unique_key='paid_date',
        meta={'built_from': ['billing.invoice', 'billing.payment']},
    )
}}

with payment as (
    select * from {{ ref('fct_payment') }}
    where
        paid_date >= {{ changed_from(['billing.invoice', 'billing.payment']) }}
        and invoice_id is not null
),

invoice as (
    select * from {{ ref('fct_invoice') }}
    where
        billing_month
        >= {{ changed_from(['billing.invoice', 'billing.payment']) }} - interval '12 months'
),

final as (
    select
        payment.paid_date,
        payment.payment_id,
        payment.account_id,
        payment.customer_id,
        payment.invoice_id,
        invoice.due_date,
        payment.payment_amount,
        payment.paid_date - invoice.due_date as late_days
    from payment
    inner join invoice
        on
            payment.invoice_id = invoice.invoice_id
            and payment.paid_date > invoice.due_date
)

select * from final
