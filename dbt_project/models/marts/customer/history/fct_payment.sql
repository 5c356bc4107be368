-- Incremental: payments of past days do not change, but for those that a delivery brings.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_from',
        unique_key='paid_date',
    )
}}

with payment as (
    select
        *,
        {{ local_date('paid_at') }} as paid_date
    from {{ ref('stg_billing__payment') }}
    where paid_at < {{ end_of(business_date()) }}
),

final as (
    select
        paid_date,
        payment_id,
        account_id,
        customer_id,
        invoice_id,
        payment_method,
        payment_amount,
        paid_at
    from payment
    where paid_date >= {{ changed_from('billing.payment') }}
)

select * from final
