-- A day cannot be delivered before it is over: the bound on the delivery spares reading old ones.
with source as (
    select * from {{ source('usage', 'mobile_daily') }}
    where
        business_date between {{ changed_from('usage.mobile_daily') }} and {{ business_date() }}
        and usage_date <= business_date
),

-- By date first: so the rows come in the order of the key of the daily tables.
final as (
    select distinct on (usage_date, trim(subscription_id))
        trim(subscription_id) as subscription_id,
        usage_date,
        outgoing_call_count,
        outgoing_minutes,
        incoming_call_count,
        incoming_minutes,
        contact_count,
        competitor_call_count,
        sms_count,
        mms_count,
        cmnet_kb,
        cmwap_kb,
        video_kb,
        social_kb,
        web_kb,
        game_kb,
        business_date as delivered_date
    from source
    order by usage_date asc, trim(subscription_id) asc, business_date desc, extract_load_id desc
)

select * from final
