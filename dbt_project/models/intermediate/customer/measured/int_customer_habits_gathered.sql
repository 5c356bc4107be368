-- A view: read once, by fct_churn_feature.
{{ config(materialized='view') }}

with subscriptions_counted as (
    select * from {{ ref('int_customer_subscriptions_counted') }}
),

contacts as (
    select * from {{ ref('int_customer_contacts_summarised') }}
),

mobile as (
    select * from {{ ref('int_customer_mobile_summarised') }}
),

value_added as (
    select * from {{ ref('int_customer_value_added_summarised') }}
),

data_service as (
    select * from {{ ref('int_customer_data_service_summarised') }}
),

roaming as (
    select * from {{ ref('int_customer_roaming_summarised') }}
),

loyalty as (
    select * from {{ ref('int_customer_loyalty_latest') }}
),

device as (
    select * from {{ ref('int_customer_device_latest') }}
),

links as (
    select * from {{ ref('int_customer_links_counted') }}
),

final as (
    select
        as_of_date,
        customer_id,
        coalesce(contacts.contact_count_3m, 0) as contact_count_3m,
        coalesce(contacts.hotline_contact_count_3m, 0) as hotline_contact_count_3m,
        coalesce(contacts.store_contact_count_3m, 0) as store_contact_count_3m,
        coalesce(contacts.electronic_contact_count_3m, 0) as electronic_contact_count_3m,
        coalesce(contacts.inquiry_count_3m, 0) as inquiry_count_3m,
        coalesce(contacts.bill_query_count_3m, 0) as bill_query_count_3m,
        coalesce(contacts.urge_count_3m, 0) as urge_count_3m,
        coalesce(contacts.complaint_count_3m, 0) as complaint_count_3m,
        coalesce(contacts.fee_complaint_count_3m, 0) as fee_complaint_count_3m,
        coalesce(contacts.network_complaint_count_3m, 0) as network_complaint_count_3m,
        coalesce(contacts.service_complaint_count_3m, 0) as service_complaint_count_3m,
        coalesce(contacts.unresolved_complaint_count_3m, 0) as unresolved_complaint_count_3m,
        coalesce(contacts.complaint_count_12m, 0) as complaint_count_12m,
        subscriptions_counted.as_of_date - {{ local_date('contacts.last_contact_at') }}
            as days_since_last_contact,
        mobile.data_mb_30d,
        mobile.data_day_count_30d,
        mobile.voice_minutes_30d,
        mobile.voice_day_count_30d,
        mobile.sms_count_30d,
        mobile.mms_count_30d,
        mobile.competitor_call_count_30d,
        subscriptions_counted.as_of_date - mobile.last_mobile_use_date
            as days_since_last_mobile_use,
        coalesce(value_added.value_added_service_count, 0) as value_added_service_count,
        coalesce(value_added.value_added_fee_amount, 0) as value_added_fee_amount,
        coalesce(value_added.has_ring_back_tone, false)::integer as has_ring_back_tone,
        data_service.data_package_monthly_fee_amount,
        data_service.data_used_ratio,
        coalesce(roaming.roaming_count_2m, 0) as roaming_count_2m,
        coalesce(roaming.out_of_province_count_2m, 0) as out_of_province_count_2m,
        loyalty.points_balance_count,
        device.device_tenure_days,
        device.is_smart_device::integer as is_smart_device,
        coalesce(links.linked_customer_count, 0) as linked_customer_count
    from subscriptions_counted
    left join contacts using (as_of_date, customer_id)
    left join mobile using (as_of_date, customer_id)
    left join value_added using (as_of_date, customer_id)
    left join data_service using (as_of_date, customer_id)
    left join roaming using (as_of_date, customer_id)
    left join loyalty using (as_of_date, customer_id)
    left join device using (as_of_date, customer_id)
    left join links using (as_of_date, customer_id)
)

select * from final
