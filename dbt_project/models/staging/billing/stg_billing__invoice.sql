-- An invoice is not delivered before it is made: the bound on the delivery spares reading old ones.
with source as (
    select * from {{ source('billing', 'invoice') }}
    where
        business_date between {{ changed_from('billing.invoice') }} and {{ business_date() }}
),

final as (
    select distinct on (trim(invoice_id))
        trim(invoice_id) as invoice_id,
        trim(account_id) as account_id,
        trim(customer_id) as customer_id,
        invoice_amount,
        billing_month,
        due_date,
        issued_at,
        business_date as delivered_date
    from source
    order by trim(invoice_id) asc, business_date desc, extract_load_id desc
)

select * from final
