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
        -- Whoever was born on 29 February has it on 1 March in other years, as age_years counts.
        coalesce(
            extract(year from age(as_of_date + 1, birth_date))
            > extract(year from age(as_of_date, birth_date)), false
        ) as is_birthday_tomorrow,
        as_of_date - registered_date as tenure_days,
        is_do_not_call,
        registered_date
    from customer
)

select * from final
