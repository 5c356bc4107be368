with attempt as (
    select * from {{ ref('stg_dialer__call_attempt') }}
),

task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

attempt_of_customer as (
    select
        task.customer_id,
        task.revisit_tag,
        attempt.outcome_code,
        attempt.called_at,
        attempt.attempt_number,
        attempt.called_at
        >= {{ window_start(business_date(), "interval '90 days'") }} as is_within_90d
    from attempt
    inner join task on attempt.call_task_id = task.call_task_id
),

final as (
    select distinct on (customer_id)
        customer_id,
        revisit_tag as last_revisit_tag,
        outcome_code as last_revisit_outcome,
        called_at as last_revisit_at,
        (count(*) filter (where is_within_90d) over (partition by customer_id))::integer
            as revisit_call_count_90d
    from attempt_of_customer
    order by customer_id asc, called_at desc, attempt_number desc
)

select * from final
