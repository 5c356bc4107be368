with contact as (
    select * from {{ ref('fct_service_contact') }}
    where
        interaction_kind = 'inquiry'
        and contacted_date >= {{ business_date() }} + 1 - interval '3 months'
        and contacted_date <= {{ business_date() }}
),

speciality as (
    select * from {{ ref('need_speciality') }}
),

final as (
    select
        {{ business_date() }} as business_date,
        contact.customer_id,
        (count(*) filter (where speciality.speciality_code = 'fault'))::integer
            as fault_inquiry_count_3m,
        (count(*) filter (where speciality.speciality_code = 'new_service'))::integer
            as new_service_inquiry_count_3m,
        (count(*) filter (where speciality.speciality_code = 'data'))::integer
            as data_inquiry_count_3m,
        (count(*) filter (where speciality.speciality_code = 'plan'))::integer
            as plan_inquiry_count_3m,
        max(contact.contacted_date) filter (where speciality.speciality_code = 'leaving')
            as last_leaving_inquiry_date
    from contact
    inner join speciality on contact.topic = speciality.topic
    group by contact.customer_id
)

select * from final
