-- Data packages have a panel of their own (int_customer_data_service_summarised).
with service as (
    select * from {{ ref('int_value_added_latest') }}
    where service_kind <> 'data_package'
),

-- Of several lines the tone that was opened last stands for the customer.
tone_newest as (
    select distinct on (as_of_date, customer_id)
        as_of_date,
        customer_id,
        subscribed_date,
        subscribed_staff_id,
        holder_kind
    from service
    where service_kind = 'ring_back_tone' and is_held
    order by as_of_date asc, customer_id asc, subscribed_date desc, subscription_id asc
),

application_used as (
    select
        as_of_date,
        customer_id,
        service_name,
        sum(use_count) as use_count
    from service
    where service_kind = 'multimedia_message'
    group by as_of_date, customer_id, service_name
),

customer_messaged as (
    select
        as_of_date,
        customer_id,
        sum(use_count)::integer as mms_use_count,
        jsonb_object_agg(service_name, use_count) as mms_application_uses
    from application_used
    group by as_of_date, customer_id
),

customer_counted as (
    select
        as_of_date,
        customer_id,
        max(usage_month) as value_added_usage_month,
        (count(*) filter (where is_held))::integer as value_added_service_count,
        (count(*) filter (where is_held and service_kind = 'service_provider'))::integer
            as service_provider_subscription_count,
        max(subscribed_date) filter (where is_held and service_kind = 'service_provider')
            as service_provider_subscribed_date,
        sum(uplink_count)::integer as uplink_count,
        sum(downlink_sms_count)::integer as downlink_sms_count,
        sum(downlink_wap_count)::integer as downlink_wap_count,
        sum(downlink_mms_count)::integer as downlink_mms_count,
        coalesce(sum(use_count) filter (where service_kind = 'ring_back_tone'), 0)::integer
            as ring_back_tone_use_count,
        coalesce(sum(change_count) filter (where service_kind = 'ring_back_tone'), 0)::integer
            as ring_back_tone_change_count,
        coalesce(sum(total_fee_amount) filter (where service_kind = 'ring_back_tone'), 0)
            as ring_back_tone_fee_amount,
        sum(total_fee_amount) as value_added_fee_amount
    from service
    group by as_of_date, customer_id
),

final as (
    select
        as_of_date,
        customer_id,
        customer_counted.value_added_usage_month,
        customer_counted.value_added_service_count,
        customer_counted.value_added_fee_amount,
        customer_counted.service_provider_subscription_count,
        customer_counted.service_provider_subscribed_date,
        customer_counted.uplink_count,
        customer_counted.downlink_sms_count,
        customer_counted.downlink_wap_count,
        customer_counted.downlink_mms_count,
        coalesce(customer_messaged.mms_use_count, 0) as mms_use_count,
        customer_messaged.mms_application_uses,
        tone_newest.customer_id is not null as has_ring_back_tone,
        tone_newest.subscribed_date as ring_back_tone_opened_date,
        tone_newest.subscribed_staff_id as ring_back_tone_staff_id,
        tone_newest.holder_kind = 'group' as is_ring_back_tone_group,
        customer_counted.ring_back_tone_use_count,
        customer_counted.ring_back_tone_change_count,
        customer_counted.ring_back_tone_fee_amount
    from customer_counted
    left join customer_messaged using (as_of_date, customer_id)
    left join tone_newest using (as_of_date, customer_id)
)

select * from final
