with as_of as (
    {{ as_of_dates() }}
),

source as (
    select * from {{ source('crm', 'customer_attribute') }}
    where business_date <= {{ business_date() }}
),

-- One sort serves all as-of dates: each version holds until the next one of its key.
version as (
    select
        source.*,
        lead(source.changed_at) over (
            partition by trim(source.customer_id), source.attribute_code
            order by source.changed_at, source.business_date, source.extract_load_id
        ) as superseded_at
    from source
),

final as (
    select
        as_of.as_of_date,
        trim(version.customer_id) as customer_id,
        version.attribute_code,
        nullif(trim(version.attribute_value), '') as attribute_value,
        version.changed_at,
        version.business_date as delivered_date
    from as_of
    inner join version on version.changed_at < {{ end_of('as_of.as_of_date') }}
    where
        version.superseded_at is null
        or version.superseded_at >= {{ end_of('as_of.as_of_date') }}
)

select * from final
