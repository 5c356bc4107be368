-- Incremental: a night goes on from the one before, the sixty days between are not read again.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_as_of',
        unique_key='as_of_date',
    )
}}

-- Not materialised: only the days at the edges of the windows are read, by the key.
with usage as not materialized (
    select * from {{ ref('int_broadband_usage_daily') }}
),

{{
    windowed_usage(
        'usage',
        reach_days=60,
        measures=[
            ('download_bytes_month', 'daily.download_bytes', 'month'),
            ('upload_bytes_month', 'daily.upload_bytes', 'month'),
            ('online_minutes_month', 'daily.online_minutes', 'month'),
            ('download_bytes_30d', 'daily.download_bytes', (0, 30)),
            ('upload_bytes_30d', 'daily.upload_bytes', (0, 30)),
            ('online_minutes_30d', 'daily.online_minutes', (0, 30)),
            ('download_bytes_before', 'daily.download_bytes', (30, 60)),
        ],
        last_dates=[('last_used_date', 'true'), ('last_online_date', 'daily.online_minutes > 0')],
    )
}}

select * from final
