with as_of as (
    {{ as_of_dates() }}
),

source as (
    select * from {{ source('crm', 'consent') }}
    where business_date <= {{ business_date() }}
),

-- One sort serves all as-of dates: each version holds until the next one of its key.
version as (
    select
        source.*,
        lead(source.changed_at) over (
            partition by trim(source.consent_id)
            order by source.changed_at, source.business_date, source.extract_load_id
        ) as superseded_at
    from source
),

final as (
    select
        as_of.as_of_date,
        trim(version.consent_id) as consent_id,
        trim(version.customer_id) as customer_id,
        version.consent_purpose,
        version.consent_state,
        version.given_at,
        version.withdrawn_at,
        version.expiry_date,
        version.evidence_kind,
        nullif(trim(version.evidence_reference), '') as evidence_reference,
        version.channel_code,
        version.changed_at,
        version.business_date as delivered_date
    from as_of
    inner join version on version.changed_at < {{ end_of('as_of.as_of_date') }}
    where
        version.superseded_at is null
        or version.superseded_at >= {{ end_of('as_of.as_of_date') }}
)

select * from final
