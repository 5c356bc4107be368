with source as (
    select * from {{ source('dialer', 'list_approval') }}
    where business_date <= {{ business_date() }}
),

final as (
    select
        business_date,
        revisit_tag,
        task_count,
        plan_digest,
        approved_by,
        approved_at
    from source
)

select * from final
