-- A view: who checks recordings asks for a few of one day.
{{ config(materialized='view') }}

with recording as (
    select * from {{ ref('stg_dialer__recording') }}
),

attempt as (
    select * from {{ ref('stg_dialer__call_attempt') }}
),

task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

-- A recording whose call the warehouse does not know is shown all the same.
final as (
    select
        recording.recording_id,
        recording.call_id,
        recording.call_task_id,
        recording.agent_id,
        task.customer_id,
        task.revisit_tag,
        attempt.outcome_code,
        recording.recording_path,
        recording.duration_seconds,
        {{ local_date('recording.started_at') }} as recorded_date,
        recording.started_at
    from recording
    left join attempt on recording.call_id = attempt.call_id
    left join task on recording.call_task_id = task.call_task_id
)

select * from final
