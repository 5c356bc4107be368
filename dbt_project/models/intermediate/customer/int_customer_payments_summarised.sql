-- A view: read once, by int_customer_billing_summarised.
{{ config(materialized='view') }}

with as_of as (
    {{ as_of_dates() }}
),

invoice as (
    select * from {{ ref('fct_invoice') }}
    where
        billing_month
        > {{ earliest_as_of_date() }} - {{ var('billing_recent_days') }} - 62
),

payment as (
    select * from {{ ref('fct_payment') }}
    where paid_date > {{ earliest_as_of_date() }} - 90
),

invoice_known as (
    select
        as_of.as_of_date,
        invoice.invoice_id,
        invoice.customer_id,
        invoice.billing_month,
        invoice.invoice_amount,
        invoice.due_date,
        invoice.issued_at >= {{ window_start('as_of.as_of_date', "interval '90 days'") }}
            as is_issued_within_90d,
        invoice.issued_at
        >= {{ window_start('as_of.as_of_date', "interval '" ~ var('arpu_days') ~ " days'") }}
            as is_counted_for_arpu
    from as_of
    inner join invoice
        on
            invoice.issued_at < {{ end_of('as_of.as_of_date') }}
            and as_of.as_of_date - {{ var('billing_recent_days') }}
            < {{ local_date('invoice.issued_at') }}
),

-- The order of the months within a customer: a month may be missing, or come late.
month_billed as (
    select
        as_of_date,
        customer_id,
        sum(invoice_amount) filter (where is_counted_for_arpu) as month_amount,
        sum(invoice_amount) filter (where is_issued_within_90d) as recent_amount,
        row_number() over (
            partition by as_of_date, customer_id order by billing_month desc
        ) as recency_rank
    from invoice_known
    group by as_of_date, customer_id, billing_month
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
        count(*)::integer as payment_count_90d,
        (count(*) filter (where payment.paid_date > invoice_known.due_date))::integer
            as late_payment_count_90d
    from as_of
    inner join payment
        on
            payment.paid_at < {{ end_of('as_of.as_of_date') }}
            and payment.paid_at >= {{ window_start('as_of.as_of_date', "interval '90 days'") }}
    left join invoice_known
        on
            as_of.as_of_date = invoice_known.as_of_date
            and payment.invoice_id = invoice_known.invoice_id
    group by as_of.as_of_date, payment.customer_id
),

final as (
    select
        as_of_date,
        customer_id,
        customer_invoiced.invoice_amount_90d,
        customer_invoiced.arpu_amount,
        coalesce(customer_invoiced.billed_month_count, 0) as billed_month_count,
        coalesce(customer_paid.payment_count_90d, 0) as payment_count_90d,
        coalesce(customer_paid.late_payment_count_90d, 0) as late_payment_count_90d
    from customer_invoiced
    full outer join customer_paid using (as_of_date, customer_id)
)

select * from final
