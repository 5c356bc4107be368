-- A view: who asks gets what last night knew, and no night pays for tasks that are done.
{{ config(materialized='view') }}

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

adjustment as (
    select * from {{ ref('stg_dialer__list_adjustment') }}
),

customer as (
    select * from {{ ref('customer_360') }}
),

revisit_tag as (
    select * from {{ ref('revisit_tag') }}
),

campaign as (
    select * from {{ ref('campaign') }}
),

effect as (
    select * from {{ ref('rpt_campaign_effect') }}
),

adjusted as (
    {{ lists_adjusted('adjustment') }}
),

task_called as (
    {{ tasks_called('attempt', 'outcome') }}
),

counted as (
    select
        call_task.call_list_id,
        call_task.business_date,
        call_task.revisit_tag,
        count(*) as customer_count,
        count(task_called.call_task_id) as called_count,
        count(*) filter (where task_called.is_reached) as reached_count,
        count(*) filter (where task_called.is_accepted) as accepted_count,
        count(*) filter (where task_called.is_refused) as refused_count,
        count(*) filter (where customer.active_subscription_count > 0) as retained_count
    from call_task
    left join task_called on call_task.call_task_id = task_called.call_task_id
    left join customer on call_task.customer_id = customer.customer_id
    group by call_task.call_list_id, call_task.business_date, call_task.revisit_tag
),

final as (
    select
        counted.business_date,
        counted.revisit_tag,
        revisit_tag.tag_name_zh as task_name,
        campaign.team_code,
        pull_back.call_list_id is not null as is_pulled_back,
        counted.customer_count,
        coalesce(adjusted.added_count, 0) as added_count,
        coalesce(adjusted.taken_out_count, 0) as taken_out_count,
        counted.called_count,
        counted.reached_count,
        counted.accepted_count,
        counted.refused_count,
        counted.retained_count,
        counted.customer_count - counted.retained_count as lost_count,
        effect.saved_rate,
        coalesce(effect.effect_verdict, 'not_known_yet') as effect_verdict
    from counted
    inner join revisit_tag on counted.revisit_tag = revisit_tag.revisit_tag
    left join campaign
        on
            counted.revisit_tag = campaign.revisit_tag
            and {{ in_force('counted.business_date', 'campaign') }}
    left join pull_back on counted.call_list_id = pull_back.call_list_id
    left join adjusted
        on
            counted.business_date = adjusted.business_date
            and counted.revisit_tag = adjusted.revisit_tag
    left join effect
        on
            date_trunc('month', counted.business_date) = effect.decision_month
            and counted.revisit_tag = effect.revisit_tag
)

select * from final
