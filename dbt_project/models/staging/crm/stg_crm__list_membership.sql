-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select * from {{ source('crm', 'list_membership') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select distinct on (delivery.as_of_date, trim(source.membership_id))
        delivery.as_of_date,
        trim(source.membership_id) as membership_id,
        trim(source.customer_id) as customer_id,
        source.list_scheme,
        source.list_code,
        source.valid_from,
        source.valid_to,
        nullif(trim(source.membership_reason), '') as membership_reason,
        nullif(trim(source.entered_by_staff_id), '') as entered_by_staff_id,
        source.entered_at,
        delivery.delivered_date
    from delivery
    inner join source on delivery.delivered_date = source.business_date
    order by
        delivery.as_of_date asc,
        trim(source.membership_id) asc,
        source.extract_load_id desc
)

select * from final
