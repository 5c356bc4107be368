with membership as (
    select * from {{ ref('fct_list_membership') }}
),

membership_in_force as (
    select * from membership
    where {{ in_force(business_date(), 'membership') }}
),

final as (
    select
        {{ business_date() }} as business_date,
        customer_id,
        coalesce(
            array_agg(distinct list_code) filter (where list_scheme = 'colour'), '{}'::text[]
        ) as colour_codes,
        bool_or(list_scheme = 'red_black' and list_code = 'red') as is_on_red_list,
        bool_or(list_scheme = 'red_black' and list_code = 'black') as is_on_black_list,
        bool_or(list_scheme = 'colour' and list_code = 'green') as is_green_listed,
        bool_or(list_scheme = 'colour' and list_code = 'gold') as is_gold_listed,
        bool_or(list_scheme = 'colour' and list_code = 'grey') as is_grey_listed,
        bool_or(list_scheme = 'colour' and list_code = 'red') as is_vip
    from membership_in_force
    group by customer_id
)

select * from final
