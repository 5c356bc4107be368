-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select * from {{ source('retention', 'target') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select distinct on (delivery.as_of_date, trim(source.target_id))
        delivery.as_of_date,
        trim(source.target_id) as target_id,
        date_trunc('month', source.target_month)::date as target_month,
        source.department,
        nullif(trim(source.region), '') as region,
        nullif(trim(source.county), '') as county,
        source.metric_code,
        source.target_value,
        source.comparison,
        source.issued_at,
        source.due_date,
        nullif(trim(source.owner_staff_id), '') as owner_staff_id,
        delivery.delivered_date
    from delivery
    inner join source on delivery.delivered_date = source.business_date
    order by
        delivery.as_of_date asc,
        trim(source.target_id) asc,
        source.extract_load_id desc
)

select * from final
