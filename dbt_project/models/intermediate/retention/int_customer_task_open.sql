-- A view: the open tasks are few.
{{ config(materialized='view') }}

with task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

-- Judged as of the business date, so that what happens to a task later changes no past decision.
final as (
    select distinct
        {{ business_date() }} as business_date,
        customer_id
    from task
    where
        business_date < {{ business_date() }}
        and (closed_at is null or closed_at >= {{ end_of(business_date()) }})
)

select * from final
