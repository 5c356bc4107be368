-- A view: who asks gets what last night knew, and no night pays for months that are over.
{{ config(materialized='view') }}

with feedback as (
    select * from {{ ref('stg_dialer__call_feedback') }}
),

call_task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

reason as (
    select * from {{ ref('feedback_reason') }}
),

counted as (
    select
        date_trunc('month', {{ local_date('feedback.given_at') }})::date as feedback_month,
        call_task.revisit_tag,
        feedback.feedback_type,
        feedback.reason_code,
        feedback.importance,
        count(*) as feedback_count,
        count(distinct call_task.customer_id) as customer_count
    from feedback
    inner join call_task on feedback.call_task_id = call_task.call_task_id
    group by
        feedback_month,
        call_task.revisit_tag,
        feedback.feedback_type,
        feedback.reason_code,
        feedback.importance
),

final as (
    select
        counted.feedback_month,
        counted.revisit_tag,
        counted.feedback_type,
        counted.reason_code,
        reason.reason_name_zh,
        counted.importance::integer as importance,
        counted.feedback_count,
        counted.customer_count,
        round(
            counted.feedback_count
            / sum(counted.feedback_count) over (
                partition by counted.feedback_month, counted.revisit_tag
            ),
            4
        ) as feedback_share
    from counted
    inner join reason on counted.reason_code = reason.reason_code
)

select * from final
