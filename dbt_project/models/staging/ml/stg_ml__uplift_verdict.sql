with source as (
    select * from {{ source('ml', 'uplift_verdict') }}
    where business_date <= {{ business_date() }}
),

final as (
    select
        business_date,
        ranking,
        reason,
        model_version,
        has_sleeping_dogs,
        treated_count,
        control_count,
        judged_at,
        row_number() over (order by business_date desc, judged_at desc, experiment_hash desc) = 1
            as is_in_force
    from source
)

select * from final
