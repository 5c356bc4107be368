with as_of as (
    {{ as_of_dates() }}
),

service_month as (
    select * from {{ ref('fct_value_added_month') }}
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
),

-- Billing that is late by a month or two is waited for; what is older says nothing about the day.
as_of_charged as (
    select
        as_of.as_of_date,
        max(service_month.usage_month) as latest_month
    from as_of
    inner join service_month
        on
            as_of.as_of_date >= service_month.usage_month
            and as_of.as_of_date - interval '4 months' < service_month.usage_month
            and service_month.charged_at < {{ end_of('as_of.as_of_date') }}
    group by as_of.as_of_date
),

-- A row that comes late is bridged by that of the month before.
service_charged as (
    select distinct on (
        as_of_charged.as_of_date, service_month.subscription_id, service_month.service_code
    )
        as_of_charged.as_of_date,
        as_of_charged.latest_month,
        service_month.*,
        coalesce(service_month.unsubscribed_date > as_of_charged.as_of_date, true) as is_held
    from as_of_charged
    inner join service_month
        on
            as_of_charged.latest_month >= service_month.usage_month
            and as_of_charged.latest_month - interval '1 month' <= service_month.usage_month
            and service_month.charged_at < {{ end_of('as_of_charged.as_of_date') }}
    order by
        as_of_charged.as_of_date asc,
        service_month.subscription_id asc,
        service_month.service_code asc,
        service_month.usage_month desc
),

-- What was cancelled counts in the month in which it was still charged.
final as (
    select
        service_charged.as_of_date,
        service_charged.subscription_id,
        service_charged.service_code,
        subscription.customer_id,
        service_charged.service_name,
        service_charged.service_kind,
        service_charged.holder_kind,
        service_charged.subscribed_channel,
        service_charged.subscribed_staff_id,
        service_charged.usage_month,
        service_charged.subscribed_date,
        service_charged.use_count,
        service_charged.change_count,
        service_charged.uplink_count,
        service_charged.downlink_sms_count,
        service_charged.downlink_wap_count,
        service_charged.downlink_mms_count,
        service_charged.allowance_mb,
        service_charged.used_mb,
        service_charged.function_fee_amount,
        service_charged.total_fee_amount,
        service_charged.is_held
    from service_charged
    inner join subscription
        on
            service_charged.as_of_date = subscription.as_of_date
            and service_charged.subscription_id = subscription.subscription_id
    where service_charged.is_held or service_charged.usage_month = service_charged.latest_month
)

select * from final
