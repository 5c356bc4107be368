-- Read once, by int_customer_interpreted: storing it would only cost time.
{{ config(materialized='view') }}

with data_service as (
    select * from {{ ref('int_customer_data_service_summarised') }}
    where as_of_date = {{ business_date() }}
),

mobile as (
    select * from {{ ref('int_customer_mobile_summarised') }}
    where as_of_date = {{ business_date() }}
),

value_added as (
    select * from {{ ref('int_customer_value_added_summarised') }}
    where as_of_date = {{ business_date() }}
),

roaming as (
    select * from {{ ref('int_customer_roaming_summarised') }}
    where as_of_date = {{ business_date() }}
),

contacts as (
    select * from {{ ref('int_customer_contacts_summarised') }}
    where as_of_date = {{ business_date() }} and complaint_count_3m > 0
),

device as (
    select * from {{ ref('int_customer_device_latest') }}
    where as_of_date = {{ business_date() }}
),

-- Who lacks a service has no measure of it. A service opened within the month was not held long
-- enough to be called unused.
final as (
    select data_service.customer_id, measured.measure, measured.measured_value
    from data_service
    cross join lateral (
        values
        ('data_used_ratio', data_service.data_used_ratio),
        (
            'data_used_ratio_full_month',
            case
                when data_service.data_package_opened_date <= data_service.data_usage_month
                    then data_service.data_used_ratio
            end
        )
    ) as measured (measure, measured_value)
    union all
    select mobile.customer_id, measured.measure, measured.measured_value
    from mobile
    cross join lateral (
        values
        ('data_day_count_30d', mobile.data_day_count_30d::numeric),
        ('data_mb_30d', mobile.data_mb_30d),
        ('voice_minutes_30d', mobile.voice_minutes_30d::numeric)
    ) as measured (measure, measured_value)
    union all
    select value_added.customer_id, measured.measure, measured.measured_value
    from value_added
    cross join lateral (
        values
        (
            'service_provider_subscription_count',
            value_added.service_provider_subscription_count::numeric
        ),
        (
            'ring_back_tone_use_count_full_month',
            case
                when value_added.ring_back_tone_opened_date <= value_added.value_added_usage_month
                    then value_added.ring_back_tone_use_count::numeric
            end
        )
    ) as measured (measure, measured_value)
    union all
    select roaming.customer_id, measured.measure, measured.measured_value
    from roaming
    cross join lateral (
        values
        ('travel_count_2m', roaming.travel_count_2m::numeric),
        ('border_roaming_count_2m', roaming.border_roaming_count_2m::numeric)
    ) as measured (measure, measured_value)
    union all
    select contacts.customer_id, 'complaint_count_3m', contacts.complaint_count_3m::numeric
    from contacts
    union all
    select device.customer_id, measured.measure, measured.measured_value
    from device
    cross join lateral (
        values
        ('device_tenure_days', device.device_tenure_days::numeric),
        ('network_generation', left(device.network_generation, 1)::numeric)
    ) as measured (measure, measured_value)
)

select * from final
