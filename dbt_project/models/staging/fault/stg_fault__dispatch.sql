with source as (
    select * from {{ source('fault', 'dispatch') }}
    where business_date <= {{ business_date() }}
),

-- A dispatch is delivered again whenever it changes: its latest delivery holds.
final as (
    select distinct on (trim(dispatch_id))
        trim(dispatch_id) as dispatch_id,
        trim(ticket_id) as ticket_id,
        nullif(trim(staff_id), '') as staff_id,
        dispatched_at,
        completed_at,
        business_date as delivered_date
    from source
    order by
        trim(dispatch_id) asc,
        business_date desc,
        extract_load_id desc,
        completed_at desc nulls last
)

select * from final
