-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select * from {{ source('crm', 'staff') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select distinct on (delivery.as_of_date, trim(source.staff_id))
        delivery.as_of_date,
        trim(source.staff_id) as staff_id,
        nullif(trim(source.staff_name), '') as staff_name,
        source.staff_role,
        source.department_code,
        nullif(trim(source.team_code), '') as team_code,
        nullif(trim(source.region), '') as region,
        nullif(trim(source.county), '') as county,
        nullif(trim(source.supervisor_staff_id), '') as supervisor_staff_id,
        nullif(trim(source.dealer_id), '') as dealer_id,
        source.hired_date,
        source.left_date,
        delivery.delivered_date
    from delivery
    inner join source on delivery.delivered_date = source.business_date
    order by
        delivery.as_of_date asc,
        trim(source.staff_id) asc,
        source.extract_load_id desc
)

select * from final
