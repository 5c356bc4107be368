with source as (
    select * from {{ source('crm', 'loyalty_points') }}
    where business_date <= {{ business_date() }}
),

-- Not de-duplicated: there are too many to sort each night, and whoever reads them wants the latest
-- of a customer anyway.
final as (
    select
        trim(customer_id) as customer_id,
        points_balance_count,
        points_earned_count,
        points_redeemed_count,
        points_expiring_count,
        last_redeemed_at,
        changed_at,
        business_date as delivered_date,
        extract_load_id
    from source
)

select * from final
