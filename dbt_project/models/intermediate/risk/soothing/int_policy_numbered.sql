with delivered as (
    select * from {{ ref('stg_retention__policy') }}
    where as_of_date = {{ business_date() }}
),

-- A later version of a policy ends the earlier one.
final as (
    select
        row_number() over (
            order by valid_from, policy_code, star_level
        ) as policy_number,
        policy_code,
        star_level,
        valid_from,
        least(
            valid_to,
            lead(valid_from) over (partition by policy_code, star_level order by valid_from)
        ) as valid_to,
        policy_name,
        brand,
        policy_class,
        product_type,
        customer_group,
        action_kind,
        subsidy_amount,
        rival_offer,
        department
    from delivered
    where valid_to is null or valid_from < valid_to
)

select * from final
