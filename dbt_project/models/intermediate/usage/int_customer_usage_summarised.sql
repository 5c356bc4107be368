with as_of as (
    {{ as_of_dates() }}
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
),

-- Bounded by literals, which all workers read by.
usage as (
    select * from {{ ref('int_broadband_usage_daily') }}
    where
        usage_date > {{ earliest_as_of_date() }} - 60
        and usage_date <= {{ business_date() }}
),

subscription_used as (
    select
        as_of.as_of_date,
        usage.subscription_id,
        sum(usage.download_bytes) filter (
            where usage.usage_date > as_of.as_of_date - 30
        ) as download_bytes_30d,
        sum(usage.online_minutes) filter (
            where usage.usage_date > as_of.as_of_date - 30
        ) as online_minutes_30d,
        sum(usage.download_bytes) filter (
            where usage.usage_date <= as_of.as_of_date - 30
        ) as download_bytes_before,
        max(usage.usage_date) filter (where usage.online_minutes > 0) as last_online_date
    from as_of
    inner join usage
        on
            as_of.as_of_date >= usage.usage_date
            and as_of.as_of_date - 60 < usage.usage_date
    group by as_of.as_of_date, usage.subscription_id
),

-- Days without any usage of anybody are days without the source: nothing is known then.
as_of_measured as (
    select distinct as_of_date
    from subscription_used
),

-- A broadband line without a row was not online: zero, not unknown.
final as (
    select
        subscription.as_of_date,
        subscription.customer_id,
        round(coalesce(sum(subscription_used.download_bytes_30d), 0) / 1024 ^ 3::numeric, 3)
            as download_gib_30d,
        round(coalesce(sum(subscription_used.online_minutes_30d), 0) / 60.0, 2)
            as online_hours_30d,
        round(
            coalesce(sum(subscription_used.download_bytes_30d), 0)
            / nullif(sum(subscription_used.download_bytes_before), 0),
            4
        ) as usage_change_ratio,
        subscription.as_of_date - max(subscription_used.last_online_date)
            as days_since_last_online
    from subscription
    inner join as_of_measured on subscription.as_of_date = as_of_measured.as_of_date
    left join subscription_used
        on
            subscription.as_of_date = subscription_used.as_of_date
            and subscription.subscription_id = subscription_used.subscription_id
    where subscription.product_type = 'broadband'
    group by subscription.as_of_date, subscription.customer_id
)

select * from final
