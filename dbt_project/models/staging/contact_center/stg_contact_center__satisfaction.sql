with source as (
    select * from {{ source('contact_center', 'satisfaction') }}
    where business_date <= {{ business_date() }}
),

-- An answer that is delivered twice counts once: the newest delivery holds.
final as (
    select distinct on (trim(survey_id), question_code)
        trim(survey_id) as survey_id,
        question_code,
        trim(customer_id) as customer_id,
        subject_kind,
        survey_channel,
        asked_at,
        answered_at,
        rating,
        nullif(trim(staff_id), '') as staff_id,
        nullif(trim(ticket_id), '') as ticket_id,
        business_date as delivered_date
    from source
    where asked_at < {{ end_of(business_date()) }}
    order by
        trim(survey_id) asc,
        question_code asc,
        business_date desc,
        extract_load_id desc
)

select * from final
