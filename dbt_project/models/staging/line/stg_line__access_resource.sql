-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select * from {{ source('line', 'access_resource') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select distinct on (delivery.as_of_date, trim(source.cross_connect_area_id))
        delivery.as_of_date,
        trim(source.cross_connect_area_id) as cross_connect_area_id,
        trim(source.area_name) as area_name,
        trim(source.region) as region,
        trim(source.county) as county,
        source.is_ftth_covered,
        source.ftth_free_port_count,
        source.pending_work_kind,
        source.pending_work_due_date,
        nullif(trim(source.field_manager_staff_id), '') as field_manager_staff_id,
        nullif(trim(source.grid_contractor_staff_id), '') as grid_contractor_staff_id,
        delivery.delivered_date
    from delivery
    inner join source on delivery.delivered_date = source.business_date
    order by
        delivery.as_of_date asc,
        trim(source.cross_connect_area_id) asc,
        source.extract_load_id desc
)

select * from final
