with source as (
    select * from {{ source('service_order', 'service_order') }}
    where business_date <= {{ business_date() }}
),

-- An order is delivered again whenever it changes: its latest version holds.
final as (
    select distinct on (trim(order_id))
        trim(order_id) as order_id,
        trim(subscription_id) as subscription_id,
        trim(customer_id) as customer_id,
        order_kind,
        product_type,
        order_state,
        operator_delay_minutes,
        delay_cause,
        urge_count,
        accepted_at,
        completed_at,
        no_resource_raised_at,
        no_resource_answered_at,
        changed_at,
        business_date as delivered_date
    from source
    where changed_at < {{ end_of(business_date()) }}
    order by
        trim(order_id) asc,
        changed_at desc,
        business_date desc,
        extract_load_id desc
)

select * from final
