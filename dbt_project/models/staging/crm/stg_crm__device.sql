with as_of as (
    {{ as_of_dates() }}
),

source as (
    select * from {{ source('crm', 'device') }}
    where business_date <= {{ business_date() }}
),

version as (
    {{ delta_versions('source', 'trim(source.device_id)') }}
),

final as (
    select
        as_of.as_of_date,
        trim(version.device_id) as device_id,
        trim(version.subscription_id) as subscription_id,
        trim(version.customer_id) as customer_id,
        version.device_kind,
        nullif(trim(version.brand_name), '') as brand_name,
        nullif(trim(version.model_name), '') as model_name,
        version.is_smart,
        version.has_gprs,
        version.has_wap,
        version.has_java,
        version.has_mms,
        version.network_generation,
        version.is_operator_supplied,
        version.first_seen_at,
        version.device_state,
        version.changed_at,
        version.business_date as delivered_date
    from as_of
    inner join version on {{ holds_at_end_of('as_of.as_of_date', 'version') }}
)

select * from final
