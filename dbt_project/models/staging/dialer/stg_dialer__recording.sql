with source as (
    select * from {{ source('dialer_files', 'recording') }}
    where business_date <= {{ business_date() }}
),

-- A recording that is delivered twice counts once: the newest delivery holds.
final as (
    select distinct on (trim(recording_id))
        trim(recording_id) as recording_id,
        trim(call_id) as call_id,
        call_task_id,
        trim(agent_id) as agent_id,
        started_at,
        duration_seconds,
        recording_path
    from source
    where started_at < {{ end_of(business_date()) }}
    order by
        trim(recording_id) asc,
        business_date desc,
        extract_load_id desc
)

select * from final
