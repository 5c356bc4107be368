-- Incremental: what was reported stays; a task is followed for some weeks.
{{ config(unique_key='business_date') }}

with call_task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

attempt as (
    select * from {{ ref('stg_dialer__call_attempt') }}
),

outcome as (
    select * from {{ ref('call_outcome') }}
),

pull_back as (
    select * from {{ ref('stg_dialer__list_pull_back') }}
),

customer as (
    select * from {{ ref('customer_360') }}
    where business_date = {{ business_date() }}
),

campaign as (
    select * from {{ ref('campaign') }}
),

parameter as (
    select * from {{ ref('retention_parameter') }}
),

trend as (
    select max(parameter.parameter_value)::integer as trend_days
    from parameter
    where
        parameter.parameter_name = 'task_trend_days'
        and {{ in_force(business_date(), 'parameter') }}
),

task_called as (
    {{ tasks_called('attempt', 'outcome') }}
),

followed as (
    select
        call_task.*,
        campaign.team_code,
        task_called.call_task_id is not null as is_called,
        task_called.is_reached,
        task_called.is_accepted,
        task_called.is_refused,
        coalesce(customer.active_subscription_count > 0, false) as is_active,
        coalesce(greatest(customer.invoice_amount_90d, customer.monthly_rent_amount), 0)
            as monthly_value_amount
    from call_task
    cross join trend
    left join pull_back on call_task.call_list_id = pull_back.call_list_id
    left join task_called on call_task.call_task_id = task_called.call_task_id
    left join customer on call_task.customer_id = customer.customer_id
    left join campaign
        on
            call_task.revisit_tag = campaign.revisit_tag
            and {{ in_force('call_task.business_date', 'campaign') }}
    where
        call_task.business_date > {{ business_date() }} - trend.trend_days
        and pull_back.call_list_id is null
),

final as (
    select
        {{ business_date() }} as business_date,
        business_date as decision_date,
        revisit_tag,
        coalesce(region, 'unknown') as region,
        min(team_code) as team_code,
        ({{ business_date() }} - business_date)::integer as day_number,
        count(*) as customer_count,
        count(*) filter (where is_called) as called_count,
        count(*) filter (where is_reached) as reached_count,
        count(*) filter (where is_accepted) as accepted_count,
        count(*) filter (where is_refused) as refused_count,
        count(*) filter (where is_active) as retained_count,
        count(*) filter (where not is_active) as lost_count,
        coalesce(sum(monthly_value_amount) filter (where is_active), 0) as monthly_value_amount
    from followed
    group by decision_date, revisit_tag, coalesce(region, 'unknown')
)

select * from final
