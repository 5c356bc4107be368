-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select * from {{ source('retention', 'policy') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select distinct on (
        delivery.as_of_date, trim(source.policy_code), source.star_level, source.valid_from
    )
        delivery.as_of_date,
        trim(source.policy_code) as policy_code,
        source.star_level,
        source.valid_from,
        trim(source.policy_name) as policy_name,
        nullif(trim(source.brand), '') as brand,
        source.policy_class,
        nullif(source.product_type, '') as product_type,
        nullif(trim(source.customer_group), '') as customer_group,
        source.action_kind,
        source.subsidy_amount,
        nullif(trim(source.rival_offer), '') as rival_offer,
        source.department,
        source.valid_to,
        delivery.delivered_date
    from delivery
    inner join source on delivery.delivered_date = source.business_date
    order by
        delivery.as_of_date asc,
        trim(source.policy_code) asc,
        source.star_level asc,
        source.valid_from asc,
        source.extract_load_id desc
)

select * from final
