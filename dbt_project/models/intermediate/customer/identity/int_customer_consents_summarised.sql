with consent as (
    select * from {{ ref('stg_crm__consent') }}
),

-- Whatever was given and neither withdrawn nor expired; of several, one is enough.
final as (
    select
        as_of_date,
        customer_id,
        bool_or(consent_purpose = 'marketing_call') as has_marketing_call_consent,
        bool_or(consent_purpose = 'marketing_sms') as has_marketing_sms_consent,
        bool_or(consent_purpose = 'profiling') as has_profiling_consent,
        -- The last day on which a call may be made and the consent for it proved (P-08).
        max(coalesce(expiry_date, 'infinity'::date)) filter (
            where consent_purpose = 'marketing_call' and evidence_reference is not null
        ) as marketing_call_until_date
    from consent
    where
        consent_state = 'given'
        and (withdrawn_at is null or withdrawn_at >= {{ end_of('as_of_date') }})
        and (expiry_date is null or expiry_date >= as_of_date)
    group by as_of_date, customer_id
)

select * from final
