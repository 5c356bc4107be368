with subscription as (
    select * from {{ ref('int_subscription_dated') }}
    where as_of_date = {{ business_date() }}
),

invoice as (
    select * from {{ ref('fct_invoice') }}
    where billing_month >= {{ changed_from(var('customer_month_extracts'), 'month') }}
),

payment as (
    select * from {{ ref('fct_payment') }}
    where paid_date >= {{ changed_from(var('customer_month_extracts'), 'month') }}
),

value_added as (
    select * from {{ ref('fct_value_added_month') }}
    where usage_month >= {{ changed_from(var('customer_month_extracts'), 'month') }}
),

amount as (
    select
        billing_month as calendar_month,
        customer_id,
        invoice_amount,
        null::numeric as paid_amount,
        null::numeric as value_added_fee_amount
    from invoice
    union all
    select
        date_trunc('month', paid_date)::date as calendar_month,
        customer_id,
        null as invoice_amount,
        payment_amount as paid_amount,
        null as value_added_fee_amount
    from payment
    union all
    select
        value_added.usage_month as calendar_month,
        subscription.customer_id,
        null as invoice_amount,
        null as paid_amount,
        value_added.total_fee_amount as value_added_fee_amount
    from value_added
    inner join subscription on value_added.subscription_id = subscription.subscription_id
),

final as (
    select
        calendar_month,
        customer_id,
        coalesce(sum(invoice_amount), 0) as invoice_amount,
        coalesce(sum(paid_amount), 0) as paid_amount,
        coalesce(sum(value_added_fee_amount), 0) as value_added_fee_amount,
        count(value_added_fee_amount)::integer as value_added_service_count
    from amount
    group by calendar_month, customer_id
)

select * from final
