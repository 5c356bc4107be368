with customer as (
    select * from {{ ref('stg_crm__customer') }}
),

final as (
    select
        as_of_date,
        customer_id,
        customer_name,
        contact_phone,
        gender,
        region,
        county,
        star_level,
        extract(year from age(as_of_date, birth_date))::integer as age_years,
        as_of_date - registered_date as tenure_days,
        is_do_not_call,
        registered_date
    from customer
)

select * from final
