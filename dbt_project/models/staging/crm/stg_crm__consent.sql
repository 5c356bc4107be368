with as_of as (
    {{ as_of_dates() }}
),

source as (
    select * from {{ source('crm', 'consent') }}
    where business_date <= {{ business_date() }}
),

version as (
    {{ delta_versions('source', 'trim(source.consent_id)') }}
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
    inner join version on {{ holds_at_end_of('as_of.as_of_date', 'version') }}
)

select * from final
