-- A message cannot be delivered before it is sent: older deliveries change nothing tonight.
with source as (
    select * from {{ source('channel', 'sms_blast') }}
    where
        business_date >= {{ changed_from(['channel.offer', 'channel.sms_blast']) }}
        and business_date <= {{ business_date() }}
),

-- The number it was sent to is not needed, and stays in raw.
final as (
    select distinct on (trim(blast_id), trim(subscription_id))
        trim(blast_id) as blast_id,
        trim(subscription_id) as subscription_id,
        trim(customer_id) as customer_id,
        sent_at,
        delivery_status,
        replied_at,
        reply_kind,
        business_date as delivered_date
    from source
    order by
        trim(blast_id) asc,
        trim(subscription_id) asc,
        business_date desc,
        extract_load_id desc
)

select * from final
