with source as (
    select * from {{ source('dialer', 'call_task') }}
    where business_date <= {{ business_date() }}
),

final as (
    select
        call_task_id,
        call_list_id,
        business_date,
        customer_id,
        revisit_tag,
        region,
        status as task_status,
        attempt_count,
        due_at,
        closed_at
    from source
)

select * from final
