with dispatch as (
    select * from {{ ref('stg_fault__dispatch') }}
),

ticket as (
    select * from {{ ref('int_tickets_timed') }}
),

-- A dispatch names its ticket alone; the line and the customer are the ticket's.
final as (
    select
        dispatch.dispatch_id,
        dispatch.ticket_id,
        ticket.subscription_id,
        ticket.customer_id,
        dispatch.staff_id,
        dispatch.dispatched_at,
        case
            when dispatch.completed_at < {{ end_of(business_date()) }} then dispatch.completed_at
        end as completed_at
    from dispatch
    inner join ticket on dispatch.ticket_id = ticket.ticket_id
    where dispatch.dispatched_at < {{ end_of(business_date()) }}
)

select * from final
