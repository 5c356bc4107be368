-- A payment is not delivered before it is made: the bound on the delivery spares reading old ones.
with source as (
    select * from {{ source('billing', 'payment') }}
    where
        business_date between {{ changed_from('billing.payment') }} and {{ business_date() }}
),

final as (
    select distinct on (trim(payment_id))
        trim(payment_id) as payment_id,
        trim(account_id) as account_id,
        trim(customer_id) as customer_id,
        nullif(trim(invoice_id), '') as invoice_id,
        payment_method,
        payment_amount,
        paid_at,
        business_date as delivered_date
    from source
    order by trim(payment_id) asc, business_date desc, extract_load_id desc
)

select * from final
