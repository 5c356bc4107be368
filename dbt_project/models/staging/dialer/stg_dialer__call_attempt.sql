with source as (
    select * from {{ source('dialer', 'call_attempt') }}
    where called_at < {{ end_of(business_date()) }}
),

final as (
    select
        call_task_id,
        attempt_number,
        call_id,
        agent_id,
        outcome_code,
        talk_seconds,
        called_at,
        next_call_at,
        recorded_at
    from source
)

select * from final
