with ticket as (
    select * from {{ ref('stg_fault__trouble_ticket') }}
),

final as (
    select
        ticket_id,
        subscription_id,
        customer_id,
        ticket_state,
        fault_category,
        urge_count,
        -- Cancelled and rejected tickets are no faults that lasted.
        ticket_state not in ('cancelled', 'rejected') as is_fault,
        is_operator_cause,
        reported_at,
        case when closed_at < {{ end_of(business_date()) }} then closed_at end as closed_at
    from ticket
    where reported_at < {{ end_of(business_date()) }}
)

select * from final
