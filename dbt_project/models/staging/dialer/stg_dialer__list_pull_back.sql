with source as (
    select * from {{ source('dialer', 'list_pull_back') }}
),

final as (
    select
        call_list_id,
        task_count,
        pulled_back_by,
        pulled_back_at
    from source
)

select * from final
