-- An event cannot be delivered before it takes place: older deliveries change nothing tonight.
with source as (
    select * from {{ source('usage', 'value_added_monthly') }}
    where
        business_date >= {{ changed_from('usage.value_added_monthly', 'month') }}
        and business_date <= {{ business_date() }}
),

final as (
    select distinct on (trim(subscription_id), usage_month, trim(service_code))
        trim(subscription_id) as subscription_id,
        usage_month,
        trim(service_code) as service_code,
        trim(service_name) as service_name,
        service_kind,
        nullif(trim(provider_code), '') as provider_code,
        subscribed_at,
        subscribed_channel,
        nullif(trim(subscribed_staff_id), '') as subscribed_staff_id,
        holder_kind,
        unsubscribed_at,
        use_count,
        change_count,
        uplink_count,
        downlink_sms_count,
        downlink_wap_count,
        downlink_mms_count,
        allowance_kb,
        used_kb,
        function_fee_amount,
        information_fee_amount,
        charged_at,
        business_date as delivered_date
    from source
    order by
        trim(subscription_id) asc,
        usage_month asc,
        trim(service_code) asc,
        business_date desc,
        extract_load_id desc
)

select * from final
