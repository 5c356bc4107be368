-- A contact cannot be delivered before it takes place: the bound on the delivery spares reading old
-- ones.
with source as (
    select * from {{ source('contact_center', 'interaction') }}
    where
        business_date
        between {{ changed_from('contact_center.interaction') }} and {{ business_date() }}
),

final as (
    select distinct on (trim(interaction_id))
        trim(interaction_id) as interaction_id,
        trim(customer_id) as customer_id,
        nullif(trim(subscription_id), '') as subscription_id,
        contacted_at,
        channel,
        interaction_kind,
        complaint_category,
        nullif(trim(topic), '') as topic,
        urge_kind,
        is_repeat,
        is_escalated,
        is_operator_cause,
        resolution,
        duration_seconds,
        nullif(trim(staff_id), '') as staff_id,
        nullif(trim(call_id), '') as call_id,
        nullif(trim(ticket_id), '') as ticket_id,
        nullif(trim(note), '') as note,
        business_date as delivered_date
    from source
    order by trim(interaction_id) asc, business_date desc, extract_load_id desc
)

select * from final
