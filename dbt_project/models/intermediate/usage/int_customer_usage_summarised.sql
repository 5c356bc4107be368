with subscription as (
    select * from {{ ref('int_subscription_active') }}
),

windowed as (
    select * from {{ ref('int_broadband_usage_windowed') }}
),

-- Days without any usage of anybody are days without the source: nothing is known then.
as_of_measured as (
    select distinct as_of_date
    from windowed
),

-- A broadband line without a row was not online: zero, not unknown.
final as (
    select
        subscription.as_of_date,
        subscription.customer_id,
        round(coalesce(sum(windowed.download_bytes_30d), 0) / 1024 ^ 3::numeric, 3)
            as download_gib_30d,
        round(coalesce(sum(windowed.online_minutes_30d), 0) / 60.0, 2)
            as online_hours_30d,
        round(
            coalesce(sum(windowed.download_bytes_30d), 0)
            / nullif(sum(windowed.download_bytes_before), 0),
            4
        ) as usage_change_ratio,
        subscription.as_of_date - max(windowed.last_online_date)
            as days_since_last_online
    from subscription
    inner join as_of_measured on subscription.as_of_date = as_of_measured.as_of_date
    left join windowed
        on
            subscription.as_of_date = windowed.as_of_date
            and subscription.subscription_id = windowed.subscription_id
    where subscription.product_type = 'broadband'
    group by subscription.as_of_date, subscription.customer_id
)

select * from final
