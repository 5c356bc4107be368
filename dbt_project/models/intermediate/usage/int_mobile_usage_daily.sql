-- Kept by day: the windows of the night are sums of days that are already free of duplicates.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_from',
        unique_key='usage_date',
    )
}}

with usage as (
    select * from {{ ref('stg_usage__mobile_daily') }}
    where usage_date >= {{ changed_from('usage.mobile_daily') }}
),

final as (
    select
        usage_date,
        subscription_id,
        outgoing_minutes + incoming_minutes as voice_minutes,
        outgoing_call_count + incoming_call_count as call_count,
        contact_count,
        competitor_call_count,
        sms_count,
        mms_count,
        cmnet_kb,
        cmwap_kb,
        video_kb,
        social_kb,
        web_kb,
        game_kb
    from usage
)

select * from final
