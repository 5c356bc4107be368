with as_of as (
    {{ as_of_dates() }}
),

invoice as (
    select * from {{ ref('stg_billing__invoice') }}
),

payment as (
    select * from {{ ref('stg_billing__payment') }}
),

invoice_known as (
    select
        as_of.as_of_date,
        invoice.invoice_id,
        invoice.customer_id,
        invoice.invoice_amount,
        invoice.due_date,
        invoice.issued_at >= {{ window_start('as_of.as_of_date', "interval '90 days'") }}
            as is_issued_within_90d
    from as_of
    inner join invoice on invoice.issued_at < {{ end_of('as_of.as_of_date') }}
),

payment_known as (
    select
        as_of.as_of_date,
        payment.payment_id,
        payment.customer_id,
        payment.invoice_id,
        payment.payment_amount,
        {{ local_date('payment.paid_at') }} as paid_date,
        payment.paid_at >= {{ window_start('as_of.as_of_date', "interval '90 days'") }}
            as is_paid_within_90d
    from as_of
    inner join payment on payment.paid_at < {{ end_of('as_of.as_of_date') }}
),

invoice_paid as (
    select
        as_of_date,
        invoice_id,
        sum(payment_amount) as paid_amount
    from payment_known
    where invoice_id is not null
    group by as_of_date, invoice_id
),

invoice_owed as (
    select
        invoice_known.as_of_date,
        invoice_known.customer_id,
        case when invoice_known.is_issued_within_90d then invoice_known.invoice_amount end
            as recent_amount,
        case
            when invoice_known.due_date <= invoice_known.as_of_date
                then
                    greatest(
                        invoice_known.invoice_amount - coalesce(invoice_paid.paid_amount, 0), 0
                    )
        end as overdue_amount
    from invoice_known
    left join invoice_paid
        on
            invoice_known.as_of_date = invoice_paid.as_of_date
            and invoice_known.invoice_id = invoice_paid.invoice_id
),

customer_invoiced as (
    select
        as_of_date,
        customer_id,
        sum(recent_amount) / 3 as invoice_amount_90d,
        sum(overdue_amount) as overdue_amount
    from invoice_owed
    group by as_of_date, customer_id
),

customer_paid as (
    select
        payment_known.as_of_date,
        payment_known.customer_id,
        count(*)::integer as payment_count_90d,
        (count(*) filter (where payment_known.paid_date > invoice_known.due_date))::integer
            as late_payment_count_90d
    from payment_known
    left join invoice_known
        on
            payment_known.as_of_date = invoice_known.as_of_date
            and payment_known.invoice_id = invoice_known.invoice_id
    where payment_known.is_paid_within_90d
    group by payment_known.as_of_date, payment_known.customer_id
),

final as (
    select
        as_of_date,
        customer_id,
        round(customer_invoiced.invoice_amount_90d, 2) as invoice_amount_90d,
        coalesce(customer_paid.payment_count_90d, 0) as payment_count_90d,
        coalesce(customer_paid.late_payment_count_90d, 0) as late_payment_count_90d,
        round(coalesce(customer_invoiced.overdue_amount, 0), 2) as overdue_amount
    from customer_invoiced
    full outer join customer_paid using (as_of_date, customer_id)
)

select * from final
