-- Incremental: a night goes on from the one before for all whose invoices have entered no window
-- since and left none; most invoices of the country are issued on one day of the month.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_as_of',
        unique_key='as_of_date',
    )
}}

with as_of as (
    select
        as_of_date,
        {{ held_date('as_of_date') }} as held_date
    from ({{ as_of_dates() }}) as dates
),

-- Not materialised: read by the moment of issue.
invoice as not materialized (
    select * from {{ ref('fct_invoice') }}
),

-- Who had an invoice pass an edge of a window since.
moved as (
    select distinct
        as_of.as_of_date,
        invoice.customer_id
    from as_of
    cross join (values (0), (90), ({{ var('arpu_days') }})) as edge (days)
    inner join invoice
        on
            invoice.issued_at < {{ end_of('as_of.as_of_date - edge.days') }}
            and invoice.issued_at >= {{ end_of('as_of.held_date - edge.days') }}
),

invoice_known as (
    select
        as_of.as_of_date,
        invoice.*
    from as_of
    inner join invoice
        on
            invoice.issued_at < {{ end_of('as_of.as_of_date') }}
            and invoice.issued_at
            >= {{ end_of('as_of.as_of_date - greatest(90, ' ~ var('arpu_days') ~ ')') }}
    where as_of.held_date is null
    union all
    select
        moved.as_of_date,
        invoice.*
    from moved
    inner join invoice
        on
            moved.customer_id = invoice.customer_id
            and invoice.issued_at < {{ end_of('moved.as_of_date') }}
            and invoice.issued_at
            >= {{ end_of('moved.as_of_date - greatest(90, ' ~ var('arpu_days') ~ ')') }}
),

-- The order of the months within a customer: a month may be missing, or come late.
month_billed as (
    select
        as_of_date,
        customer_id,
        sum(invoice_amount) filter (
            where issued_at >= {{ end_of('as_of_date - ' ~ var('arpu_days')) }}
        ) as month_amount,
        sum(invoice_amount) filter (where issued_at >= {{ end_of('as_of_date - 90') }})
            as recent_amount,
        row_number() over (partition by as_of_date, customer_id order by billing_month desc)
            as recency_rank
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

final as (
    select * from customer_invoiced
    {%- if is_incremental() %}
        union all
        select
            as_of.as_of_date,
            held.customer_id,
            held.invoice_amount_90d,
            held.arpu_amount,
            held.billed_month_count
        from as_of
        inner join {{ this }} as held on as_of.held_date = held.as_of_date
        where
            not exists (
                select moved.customer_id from moved
                where
                    moved.as_of_date = as_of.as_of_date
                    and moved.customer_id = held.customer_id
            )
    {%- endif %}
)

select * from final
