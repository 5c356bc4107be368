with source as (
    select * from {{ source('crm', 'subscription_event') }}
    where business_date <= {{ business_date() }}
),

final as (
    select distinct on (trim(event_id))
        trim(event_id) as event_id,
        trim(subscription_id) as subscription_id,
        trim(customer_id) as customer_id,
        event_kind,
        event_cause,
        occurred_at,
        nullif(trim(competitor_code), '') as competitor_code,
        unpaid_amount,
        channel_code,
        nullif(trim(staff_id), '') as staff_id,
        business_date as delivered_date
    from source
    order by trim(event_id) asc, business_date desc, extract_load_id desc
)

select * from final
