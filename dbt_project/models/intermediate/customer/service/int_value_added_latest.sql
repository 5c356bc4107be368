with as_of as (
    {{ as_of_dates() }}
),

-- Not materialised: each month is found in the index.
service_month as not materialized (
    select * from {{ ref('fct_value_added_month') }}
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
),

-- Billing that is late by a month or two is waited for; what is older says nothing about the day.
as_of_charged as (
    select
        as_of.as_of_date,
        (
            select max(service_month.usage_month) as newest_month
            from service_month
            where
                as_of.as_of_date >= service_month.usage_month
                and as_of.as_of_date - interval '4 months' < service_month.usage_month
                and service_month.charged_at < {{ end_of('as_of.as_of_date') }}
        ) as latest_month
    from as_of
),

service_latest as (
    select
        as_of_charged.as_of_date,
        service_month.*,
        coalesce(service_month.unsubscribed_date > as_of_charged.as_of_date, true) as is_held
    from as_of_charged
    inner join service_month on as_of_charged.latest_month = service_month.usage_month
    where service_month.charged_at < {{ end_of('as_of_charged.as_of_date') }}
),

-- A row that comes late is bridged by that of the month before, of a service that is still held.
service_late as (
    select
        as_of_charged.as_of_date,
        service_month.*,
        true as is_held
    from as_of_charged
    inner join service_month
        on (as_of_charged.latest_month - interval '1 month')::date = service_month.usage_month
    left join service_latest
        on
            as_of_charged.as_of_date = service_latest.as_of_date
            and service_month.subscription_id = service_latest.subscription_id
            and service_month.service_code = service_latest.service_code
    where
        service_latest.subscription_id is null
        and coalesce(service_month.unsubscribed_date > as_of_charged.as_of_date, true)
        and service_month.charged_at < {{ end_of('as_of_charged.as_of_date') }}
),

service as (
    select * from service_latest
    union all
    select * from service_late
),

final as (
    select
        service.as_of_date,
        service.subscription_id,
        service.service_code,
        subscription.customer_id,
        service.service_name,
        service.service_kind,
        service.holder_kind,
        service.subscribed_channel,
        service.subscribed_staff_id,
        service.usage_month,
        service.subscribed_date,
        service.use_count,
        service.change_count,
        service.uplink_count,
        service.downlink_sms_count,
        service.downlink_wap_count,
        service.downlink_mms_count,
        service.allowance_mb,
        service.used_mb,
        service.function_fee_amount,
        service.total_fee_amount,
        service.is_held
    from service
    inner join subscription
        on
            service.as_of_date = subscription.as_of_date
            and service.subscription_id = subscription.subscription_id
)

select * from final
