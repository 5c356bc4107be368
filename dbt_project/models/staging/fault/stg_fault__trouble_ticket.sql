with source as (
    select * from {{ source('fault', 'trouble_ticket') }}
    where business_date <= {{ business_date() }}
),

-- A ticket is delivered again whenever it changes: its latest delivery holds.
final as (
    select distinct on (trim(ticket_id))
        trim(ticket_id) as ticket_id,
        trim(subscription_id) as subscription_id,
        trim(customer_id) as customer_id,
        ticket_state,
        nullif(trim(fault_category), '') as fault_category,
        urge_count,
        is_operator_cause,
        reported_at,
        closed_at,
        business_date as delivered_date
    from source
    order by
        trim(ticket_id) asc,
        business_date desc,
        extract_load_id desc,
        closed_at desc nulls last
)

select * from final
