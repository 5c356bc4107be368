with source as (
    select * from {{ source('dialer', 'call_feedback') }}
    where given_at < {{ end_of(business_date()) }}
),

final as (
    select
        call_feedback_id,
        call_task_id,
        feedback_type,
        reason_code,
        importance,
        given_at
    from source
)

select * from final
