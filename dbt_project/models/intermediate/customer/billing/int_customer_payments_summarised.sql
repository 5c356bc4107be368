-- A view: read once, by int_customer_billing_summarised.
{{ config(materialized='view') }}

with as_of as (
    {{ as_of_dates() }}
),

payment as (
    select * from {{ ref('fct_payment') }}
    where paid_date > {{ earliest_as_of_date() }} - 90
),

late_payment as (
    select * from {{ ref('fct_late_payment') }}
    where paid_date >= {{ earliest_as_of_date() }} + 1 - interval '12 months'
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
        coalesce(customer_paid.payment_count_90d, 0) as payment_count_90d,
        coalesce(customer_late.late_payment_count_90d, 0) as late_payment_count_90d,
        coalesce(customer_late.late_payment_count_12m, 0) as late_payment_count_12m
    from customer_paid
    full outer join customer_late using (as_of_date, customer_id)
)

select * from final
