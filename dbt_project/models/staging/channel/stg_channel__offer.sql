-- An offer cannot be delivered before it is made: older deliveries change nothing tonight.
with source as (
    select * from {{ source('channel', 'offer') }}
    where
        business_date >= {{ changed_from(['channel.offer', 'channel.sms_blast']) }}
        and business_date <= {{ business_date() }}
),

final as (
    select distinct on (trim(offer_event_id))
        trim(offer_event_id) as offer_event_id,
        trim(offer_code) as offer_code,
        trim(offer_name) as offer_name,
        offer_class,
        trim(customer_id) as customer_id,
        nullif(trim(subscription_id), '') as subscription_id,
        channel,
        wave_number,
        shown_at,
        response,
        responded_at,
        monthly_fee_amount,
        nullif(trim(staff_id), '') as staff_id,
        nullif(trim(session_id), '') as session_id,
        nullif(trim(blast_id), '') as blast_id,
        business_date as delivered_date
    from source
    order by trim(offer_event_id) asc, business_date desc, extract_load_id desc
)

select * from final
