-- Incremental: a night goes on from the one before, the thirty days between are not read again.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_as_of',
        unique_key='as_of_date',
    )
}}

-- Not materialised: only the days at the edges of the windows are read, by the key.
with usage as not materialized (
    select * from {{ ref('int_mobile_usage_daily') }}
),

{{
    windowed_usage(
        'usage',
        reach_days=31,
        measures=[
            ('cmnet_kb_today', 'daily.cmnet_kb', (0, 1)),
            ('cmwap_kb_today', 'daily.cmwap_kb', (0, 1)),
            ('cmnet_kb_month', 'daily.cmnet_kb', 'month'),
            ('cmwap_kb_month', 'daily.cmwap_kb', 'month'),
            ('voice_minutes_month', 'daily.voice_minutes', 'month'),
            ('sms_count_month', 'daily.sms_count', 'month'),
            ('mms_count_month', 'daily.mms_count', 'month'),
            ('data_day_count_month', '(daily.cmnet_kb > 0 or daily.cmwap_kb > 0)::integer', 'month'),
            ('data_kb_30d', 'daily.cmnet_kb::bigint + daily.cmwap_kb', (0, 30)),
            ('voice_minutes_30d', 'daily.voice_minutes', (0, 30)),
            ('sms_count_30d', 'daily.sms_count', (0, 30)),
            ('mms_count_30d', 'daily.mms_count', (0, 30)),
            ('competitor_call_count_30d', 'daily.competitor_call_count', (0, 30)),
            ('data_day_count_30d', '(daily.cmnet_kb > 0 or daily.cmwap_kb > 0)::integer', (0, 30)),
            ('voice_day_count_30d', '(daily.voice_minutes > 0)::integer', (0, 30)),
        ],
        last_dates=[('last_used_date', 'true')],
    )
}}

select * from final
