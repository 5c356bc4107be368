with source as (
    select * from {{ source('ml', 'uplift_score') }}
    where business_date <= {{ business_date() }}
),

final as (
    select
        business_date,
        customer_id,
        model_version,
        uplift::numeric as uplift,
        is_sleeping_dog,
        scored_at
    from source
)

select * from final
