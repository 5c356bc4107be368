-- A view: read once, by int_customer_billing_summarised.
{{ config(materialized='view') }}

with as_of as (
    {{ as_of_dates() }}
),

-- A month is billed in the next one, or late in the one after it.
invoice as (
    select * from {{ ref('fct_invoice') }}
    where
        billing_month
        > {{ earliest_as_of_date() }} - {{ [var('arpu_days') | int, 90] | max }} - 62
),

payment as (
    select * from {{ ref('fct_payment') }}
    where paid_date > {{ earliest_as_of_date() }} - 90
),

late_payment as (
    select * from {{ ref('fct_late_payment') }}
    where paid_date >= {{ earliest_as_of_date() }} + 1 - interval '12 months'
),

-- The order of the months within a customer: a month may be missing, or come late.
month_billed as (
    select
        as_of.as_of_date,
        invoice.customer_id,
        sum(invoice.invoice_amount) filter (
            where
            invoice.issued_at
            >= {{ window_start('as_of.as_of_date', "interval '" ~ var('arpu_days') ~ " days'") }}
        ) as month_amount,
        sum(invoice.invoice_amount) filter (
            where invoice.issued_at >= {{ window_start('as_of.as_of_date', "interval '90 days'") }}
        ) as recent_amount,
        row_number() over (
            partition by as_of.as_of_date, invoice.customer_id order by invoice.billing_month desc
        ) as recency_rank
    from as_of
    inner join invoice on invoice.issued_at < {{ end_of('as_of.as_of_date') }}
    where
        as_of.as_of_date - {{ [var('arpu_days') | int, 90] | max }}
        < {{ local_date('invoice.issued_at') }}
    group by as_of.as_of_date, invoice.customer_id, invoice.billing_month
),

customer_invoiced as (
    select
        as_of_date,
        customer_id,
        sum(recent_amount) / 3 as invoice_amount_90d,
        avg(month_amount) filter (where recency_rank <= {{ var('arpu_month_count') }})
            as arpu_amount,
        (count(month_amount) filter (where recency_rank <= {{ var('arpu_month_count') }}))::integer
            as billed_month_count
    from month_billed
    group by as_of_date, customer_id
),

customer_paid as (
    select
        as_of.as_of_date,
        payment.customer_id,
        count(*)::integer as payment_count_90d
    from as_of
    inner join payment
        on as_of.as_of_date >= payment.paid_date and as_of.as_of_date - 90 < payment.paid_date
    group by as_of.as_of_date, payment.customer_id
),

customer_late as (
    select
        as_of.as_of_date,
        late_payment.customer_id,
        (count(*) filter (where late_payment.paid_date > as_of.as_of_date - 90))::integer
            as late_payment_count_90d,
        count(*)::integer as late_payment_count_12m
    from as_of
    inner join late_payment
        on
            as_of.as_of_date >= late_payment.paid_date
            and as_of.as_of_date + 1 - interval '12 months' <= late_payment.paid_date
    group by as_of.as_of_date, late_payment.customer_id
),

final as (
    select
        as_of_date,
        customer_id,
        customer_invoiced.invoice_amount_90d,
        customer_invoiced.arpu_amount,
        coalesce(customer_invoiced.billed_month_count, 0) as billed_month_count,
        coalesce(customer_paid.payment_count_90d, 0) as payment_count_90d,
        coalesce(customer_late.late_payment_count_90d, 0) as late_payment_count_90d,
        coalesce(customer_late.late_payment_count_12m, 0) as late_payment_count_12m
    from customer_invoiced
    full outer join customer_paid using (as_of_date, customer_id)
    full outer join customer_late using (as_of_date, customer_id)
)

select * from final
