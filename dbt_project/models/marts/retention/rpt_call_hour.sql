-- A view: who asks gets what last night knew, and no night pays for it.
{{ config(materialized='view') }}

with attempt as (
    select * from {{ ref('stg_dialer__call_attempt') }}
),

call_task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

outcome as (
    select * from {{ ref('call_outcome') }}
),

counted as (
    select
        call_task.revisit_tag,
        extract(
            hour from attempt.called_at at time zone '{{ var("business_timezone") }}'
        )::integer as call_hour,
        count(*) as attempt_count,
        count(*) filter (where outcome.is_reached) as reached_count,
        count(*) filter (where outcome.outcome_code = 'accepted') as accepted_count
    from attempt
    inner join call_task on attempt.call_task_id = call_task.call_task_id
    inner join outcome on attempt.outcome_code = outcome.outcome_code
    group by call_task.revisit_tag, call_hour
),

rated as (
    select
        counted.*,
        counted.reached_count::double precision / counted.attempt_count as reached_rate,
        {{ wilson_bound('counted.reached_count', 'counted.attempt_count', -1) }}
            as reached_rate_low,
        {{ wilson_bound('counted.reached_count', 'counted.attempt_count', 1) }}
            as reached_rate_high
    from counted
),

-- By the lower bound, so that a few lucky calls do not make an hour the best.
final as (
    select
        revisit_tag,
        call_hour,
        attempt_count,
        reached_count,
        accepted_count,
        round(reached_rate::numeric, 6) as reached_rate,
        round(reached_rate_low::numeric, 6) as reached_rate_low,
        round(reached_rate_high::numeric, 6) as reached_rate_high,
        rank() over (partition by revisit_tag order by reached_rate_low desc) as hour_rank
    from rated
)

select * from final
