-- Incremental: bills of past months do not change, but for those that a delivery brings.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_from',
        unique_key='billing_month',
        indexes=[{'columns': ['issued_at']}],
    )
}}

with invoice as (
    select * from {{ ref('stg_billing__invoice') }}
    where
        billing_month >= {{ changed_from('billing.invoice', 'month') }}
        and issued_at < {{ end_of(business_date()) }}
),

final as (
    select
        billing_month,
        invoice_id,
        account_id,
        customer_id,
        invoice_amount,
        due_date,
        issued_at
    from invoice
)

select * from final
