with as_of as (
    {{ as_of_dates() }}
),

horizon as (
    select min(as_of_date) - {{ var('contact_history_days') }} as earliest_date
    from as_of
),

-- A contact cannot be delivered before it takes place: older deliveries hold none of the history.
source as (
    select * from {{ source('contact_center', 'interaction') }}
    where
        business_date <= {{ business_date() }}
        and business_date > (select horizon.earliest_date from horizon)
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
