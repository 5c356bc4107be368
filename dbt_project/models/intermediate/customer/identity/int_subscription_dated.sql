with subscription as (
    select * from {{ ref('stg_crm__subscription') }}
),

final as (
    select
        as_of_date,
        subscription_id,
        customer_id,
        product_type,
        termination_kind,
        activated_at,
        terminated_at
    from subscription
)

select * from final
