-- Incremental: a night changes the month that was charged last at most, but for late rows.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_from',
        unique_key='usage_month',
    )
}}

with value_added as (
    select * from {{ ref('stg_usage__value_added_monthly') }}
    where usage_month >= {{ changed_from('usage.value_added_monthly', 'month') }}
),

-- Who holds the line is not stored: it may change, and a month is not written again.
final as (
    select
        subscription_id,
        usage_month,
        service_code,
        service_name,
        service_kind,
        provider_code,
        holder_kind,
        subscribed_channel,
        subscribed_staff_id,
        {{ local_date('subscribed_at') }} as subscribed_date,
        {{ local_date('unsubscribed_at') }} as unsubscribed_date,
        use_count,
        change_count,
        uplink_count,
        downlink_sms_count,
        downlink_wap_count,
        downlink_mms_count,
        round(allowance_kb / 1024.0, 3) as allowance_mb,
        round(used_kb / 1024.0, 3) as used_mb,
        function_fee_amount,
        information_fee_amount,
        function_fee_amount + information_fee_amount as total_fee_amount,
        charged_at
    from value_added
    where charged_at < {{ end_of(business_date()) }}
)

select * from final
