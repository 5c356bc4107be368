with contact as (
    select * from {{ ref('fct_service_contact') }}
    where
        interaction_kind in ('complaint', 'inquiry')
        and contacted_date > {{ business_date() }} - 90
        and contacted_date <= {{ business_date() }}
),

speciality as (
    select * from {{ ref('need_speciality') }}
),

final as (
    select
        {{ business_date() }} as business_date,
        contact.customer_id,
        (count(*) filter (where contact.interaction_kind = 'complaint'))::integer
            as complaint_count_90d,
        (count(*) filter (where speciality.speciality_code = 'fault'))::integer
            as fault_inquiry_count_90d,
        (count(*) filter (where speciality.speciality_code = 'new_service'))::integer
            as new_service_inquiry_count_90d,
        (count(*) filter (where speciality.speciality_code = 'data'))::integer
            as data_inquiry_count_90d,
        (count(*) filter (where speciality.speciality_code = 'plan'))::integer
            as plan_inquiry_count_90d
    from contact
    left join speciality
        on contact.topic = speciality.topic and contact.interaction_kind = 'inquiry'
    group by contact.customer_id
)

select * from final
