-- A view: capacities may be tried by a preview.
{{ config(materialized='view') }}

with team_capacity as (
    select * from {{ ref('team_capacity') }}
),

capacity_in_force as (
    select
        team_capacity.team_code,
        team_capacity.customer_grade,
        team_capacity.window_days,
        {{ tried(
            "concat_ws('.', team_capacity.team_code, team_capacity.customer_grade,"
            " team_capacity.window_days)",
            "team_capacity.capacity"
        ) }} as capacity
    from team_capacity
    where {{ in_force(business_date(), 'team_capacity') }}
),

reach as (
    select max(window_days) as window_days from capacity_in_force
),

call_task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

campaign as (
    select * from {{ ref('campaign') }}
),

tier as (
    select * from {{ ref('fct_customer_tier') }}
    where scheme_code = 'value'
),

-- What the nights before took; a list that was pulled back took nothing. Graded as on its night.
task_graded as (
    select
        call_task.business_date,
        campaign.team_code,
        case when tier.tier_code in ('high', 'mid') then 'mid_high_end' else 'other' end
            as customer_grade
    from call_task
    inner join reach
        on
            call_task.business_date < {{ business_date() }}
            and call_task.business_date > {{ business_date() }} - reach.window_days
    inner join campaign
        on
            call_task.revisit_tag = campaign.revisit_tag
            and {{ in_force('call_task.business_date', 'campaign') }}
    left join tier
        on
            call_task.customer_id = tier.customer_id
            and {{ in_force('call_task.business_date', 'tier') }}
    where
        call_task.task_status <> 'withdrawn'
        or call_task.closed_at >= {{ end_of(business_date()) }}
),

taken as (
    select
        business_date,
        team_code,
        customer_grade,
        count(*) as task_count
    from task_graded
    group by business_date, team_code, customer_grade
),

window_left as (
    select
        capacity_in_force.team_code,
        capacity_in_force.customer_grade,
        capacity_in_force.window_days,
        capacity_in_force.capacity - coalesce(sum(taken.task_count), 0) as capacity_left
    from capacity_in_force
    left join taken
        on
            capacity_in_force.team_code = taken.team_code
            and capacity_in_force.customer_grade = taken.customer_grade
            and taken.business_date > {{ business_date() }} - capacity_in_force.window_days
    group by
        capacity_in_force.team_code,
        capacity_in_force.customer_grade,
        capacity_in_force.window_days,
        capacity_in_force.capacity
),

final as (
    select
        {{ business_date() }} as business_date,
        team_code,
        customer_grade,
        greatest(min(capacity_left), 0)::integer as capacity_left
    from window_left
    group by team_code, customer_grade
)

select * from final
