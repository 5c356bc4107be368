-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select * from {{ source('crm', 'subscription') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select distinct on (delivery.as_of_date, trim(source.subscription_id))
        delivery.as_of_date,
        trim(source.subscription_id) as subscription_id,
        trim(source.customer_id) as customer_id,
        trim(source.account_id) as account_id,
        trim(source.plan_id) as plan_id,
        nullif(trim(source.cross_connect_area_id), '') as cross_connect_area_id,
        nullif(trim(source.service_number), '') as service_number,
        source.product_type,
        source.access_type,
        source.bandwidth_mbps,
        source.termination_kind,
        source.contract_end_date,
        source.activated_at,
        source.terminated_at,
        delivery.delivered_date
    from delivery
    inner join source on delivery.delivered_date = source.business_date
    order by
        delivery.as_of_date asc,
        trim(source.subscription_id) asc,
        source.extract_load_id desc
)

select * from final
