with device as (
    select * from {{ ref('stg_crm__device') }}
    where device_state = 'in_use'
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where product_type = 'mobile'
),

device_in_use as (
    select
        subscription.as_of_date,
        subscription.customer_id,
        device.device_id,
        device.brand_name,
        device.model_name,
        device.has_gprs,
        device.has_wap,
        device.has_java,
        device.has_mms,
        device.is_smart,
        device.network_generation,
        device.device_state,
        device.first_seen_at
    from subscription
    inner join device
        on
            subscription.as_of_date = device.as_of_date
            and subscription.subscription_id = device.subscription_id
    where device.first_seen_at < {{ end_of('subscription.as_of_date') }}
),

device_latest as (
    select distinct on (as_of_date, customer_id) *
    from device_in_use
    order by
        as_of_date asc,
        customer_id asc,
        first_seen_at desc,
        device_id desc
),

final as (
    select
        as_of_date,
        customer_id,
        brand_name as device_brand,
        model_name as device_model,
        network_generation,
        device_state,
        as_of_date - {{ local_date('first_seen_at') }} as device_tenure_days,
        has_gprs,
        has_wap,
        has_java,
        has_mms,
        is_smart as is_smart_device,
        {{ local_date('first_seen_at') }} as device_since_date
    from device_latest
)

select * from final
