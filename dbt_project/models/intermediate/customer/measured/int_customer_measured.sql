-- Not materialised: each branch reads no more than its own column.
with data_service as not materialized (
    select * from {{ ref('int_customer_data_service_summarised') }}
    where as_of_date = {{ business_date() }}
),

mobile as not materialized (
    select * from {{ ref('int_customer_mobile_summarised') }}
    where as_of_date = {{ business_date() }}
),

value_added as not materialized (
    select * from {{ ref('int_customer_value_added_summarised') }}
    where as_of_date = {{ business_date() }}
),

roaming as not materialized (
    select * from {{ ref('int_customer_roaming_summarised') }}
    where as_of_date = {{ business_date() }}
),

contacts as not materialized (
    select * from {{ ref('int_customer_contacts_summarised') }}
    where as_of_date = {{ business_date() }} and complaint_count_3m > 0
),

device as not materialized (
    select * from {{ ref('int_customer_device_latest') }}
    where as_of_date = {{ business_date() }}
),

-- Who lacks a service has no measure of it. A service opened within the month was not held long
-- enough to be called unused.
final as (
    select
        customer_id,
        'data_used_ratio' as measure,
        data_used_ratio as measured_value
    from data_service
    union all
    select
        customer_id,
        'data_used_ratio_full_month' as measure,
        data_used_ratio as measured_value
    from data_service
    where data_package_opened_date <= data_usage_month
    union all
    select
        customer_id,
        'data_day_count_30d' as measure,
        data_day_count_30d as measured_value
    from mobile
    union all
    select
        customer_id,
        'data_mb_30d' as measure,
        data_mb_30d as measured_value
    from mobile
    union all
    select
        customer_id,
        'voice_minutes_30d' as measure,
        voice_minutes_30d as measured_value
    from mobile
    union all
    select
        customer_id,
        'service_provider_subscription_count' as measure,
        service_provider_subscription_count as measured_value
    from value_added
    where service_provider_subscription_count > 0
    union all
    select
        customer_id,
        'ring_back_tone_use_count_full_month' as measure,
        ring_back_tone_use_count as measured_value
    from value_added
    where ring_back_tone_opened_date <= value_added_usage_month
    union all
    select
        customer_id,
        'travel_count_2m' as measure,
        travel_count_2m as measured_value
    from roaming
    union all
    select
        customer_id,
        'border_roaming_count_2m' as measure,
        border_roaming_count_2m as measured_value
    from roaming
    union all
    select
        customer_id,
        'complaint_count_3m' as measure,
        complaint_count_3m as measured_value
    from contacts
    union all
    select
        customer_id,
        'device_tenure_days' as measure,
        device_tenure_days as measured_value
    from device
    union all
    select
        customer_id,
        'network_generation' as measure,
        left(network_generation, 1)::numeric as measured_value
    from device
)

select * from final
