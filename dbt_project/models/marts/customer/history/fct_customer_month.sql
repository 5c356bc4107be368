-- Incremental: a month that is over changes only by what is delivered late.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_from',
        unique_key='calendar_month',
        meta={'built_from': var('customer_month_extracts'), 'built_by': 'month'},
    )
}}

with subscription as (
    select * from {{ ref('int_subscription_dated') }}
    where as_of_date = {{ business_date() }}
),

usage as (
    select * from {{ ref('int_customer_month_used') }}
),

billed as (
    select * from {{ ref('int_customer_month_billed') }}
),

served as (
    select * from {{ ref('int_customer_month_served') }}
),

month as (
    select calendar_month from usage
    union
    select calendar_month from billed
    union
    select calendar_month from served
),

-- Whoever had a subscription in the month has a row for it, whatever he did.
customer_month as (
    select distinct
        month.calendar_month,
        subscription.customer_id
    from month
    inner join subscription
        on
            subscription.activated_at
            < {{ end_of("(month.calendar_month + interval '1 month - 1 day')::date") }}
            and (
                subscription.terminated_at is null
                or subscription.terminated_at >= {{ start_of('month.calendar_month') }}
            )
),

final as (
    select
        calendar_month,
        customer_id,
        coalesce(billed.invoice_amount, 0) as invoice_amount,
        coalesce(billed.paid_amount, 0) as paid_amount,
        coalesce(billed.value_added_fee_amount, 0) as value_added_fee_amount,
        coalesce(billed.value_added_service_count, 0) as value_added_service_count,
        usage.mobile_data_mb,
        usage.voice_minutes,
        usage.sms_count,
        usage.mms_count,
        usage.mobile_data_day_count,
        usage.download_gib,
        usage.upload_gib,
        usage.online_hours,
        coalesce(served.roaming_count, 0) as roaming_count,
        coalesce(served.roaming_fee_amount, 0) as roaming_fee_amount,
        coalesce(served.contact_count, 0) as contact_count,
        coalesce(served.complaint_count, 0) as complaint_count,
        coalesce(served.bill_query_count, 0) as bill_query_count,
        coalesce(served.ticket_count, 0) as ticket_count
    from customer_month
    left join billed using (calendar_month, customer_id)
    left join usage using (calendar_month, customer_id)
    left join served using (calendar_month, customer_id)
)

select * from final
