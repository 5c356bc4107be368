-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select * from {{ source('crm', 'customer_link') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select distinct on (
        delivery.as_of_date,
        trim(source.customer_id),
        trim(source.linked_customer_id),
        source.link_kind
    )
        delivery.as_of_date,
        trim(source.customer_id) as customer_id,
        trim(source.linked_customer_id) as linked_customer_id,
        source.link_kind,
        source.linked_at,
        source.unlinked_at,
        source.evidence_kind,
        source.match_probability,
        delivery.delivered_date
    from delivery
    inner join source on delivery.delivered_date = source.business_date
    order by
        delivery.as_of_date asc,
        trim(source.customer_id) asc,
        trim(source.linked_customer_id) asc,
        source.link_kind asc,
        source.extract_load_id desc
)

select * from final
