with as_of as (
    {{ as_of_dates() }}
),

ticket as (
    select * from {{ ref('int_tickets_timed') }}
),

dispatch as (
    select * from {{ ref('int_dispatches_attributed') }}
),

-- A ticket as it stood at the end of the day: what was closed later was still open.
ticket_known as (
    select
        as_of.as_of_date,
        ticket.customer_id,
        ticket.is_fault,
        ticket.reported_at,
        case
            when ticket.closed_at < {{ end_of('as_of.as_of_date') }} then ticket.closed_at
        end as closed_at,
        -- A cancelled ticket was open until it was closed; one without that time never was.
        ticket.is_fault or ticket.closed_at is not null as is_ever_open,
        {{ end_of('as_of.as_of_date') }} as end_at
    from as_of
    inner join ticket on ticket.reported_at < {{ end_of('as_of.as_of_date') }}
),

customer_ticketed as (
    select
        as_of_date,
        customer_id,
        count(*) filter (
            where reported_at >= {{ window_start('as_of_date', "interval '30 days'") }}
        ) as ticket_count_30d,
        count(*) filter (
            where reported_at >= {{ window_start('as_of_date', "interval '90 days'") }}
        ) as ticket_count_90d,
        count(*) filter (where closed_at is null and is_ever_open) as open_ticket_count,
        min(reported_at) filter (where closed_at is null and is_ever_open) as oldest_open_ticket_at,
        max(extract(epoch from coalesce(closed_at, end_at) - reported_at) / 86400) filter (
            where
            is_fault
            and coalesce(closed_at, end_at)
            >= {{ window_start('as_of_date', "interval '90 days'") }}
        ) as longest_fault_days_90d
    from ticket_known
    group by as_of_date, customer_id
),

customer_dispatched as (
    select
        as_of.as_of_date,
        dispatch.customer_id,
        count(*) as dispatch_count_90d
    from as_of
    inner join dispatch
        on
            dispatch.dispatched_at < {{ end_of('as_of.as_of_date') }}
            and dispatch.dispatched_at
            >= {{ window_start('as_of.as_of_date', "interval '90 days'") }}
    group by as_of.as_of_date, dispatch.customer_id
),

final as (
    select
        as_of_date,
        customer_id,
        coalesce(customer_ticketed.ticket_count_30d, 0)::integer as ticket_count_30d,
        coalesce(customer_ticketed.ticket_count_90d, 0)::integer as ticket_count_90d,
        coalesce(customer_dispatched.dispatch_count_90d, 0)::integer as dispatch_count_90d,
        coalesce(customer_ticketed.open_ticket_count, 0)::integer as open_ticket_count,
        round(customer_ticketed.longest_fault_days_90d, 4) as longest_fault_days_90d,
        customer_ticketed.oldest_open_ticket_at
    from customer_ticketed
    full outer join customer_dispatched using (as_of_date, customer_id)
)

select * from final
