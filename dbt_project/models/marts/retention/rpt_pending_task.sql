-- A view: whether a list is approved or released changes after the night.
{{ config(materialized='view') }}

with planned as (
    select * from {{ ref('planned_call_task') }}
),

approval as (
    select * from {{ ref('stg_dialer__list_approval') }}
),

adjustment as (
    select * from {{ ref('stg_dialer__list_adjustment') }}
),

call_task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

revisit_tag as (
    select * from {{ ref('revisit_tag') }}
),

released as (
    select distinct
        business_date,
        revisit_tag
    from call_task
),

adjusted as (
    {{ lists_adjusted('adjustment') }}
),

policy as (
    select
        business_date,
        revisit_tag,
        array_agg(distinct policy_code order by policy_code) as policy_codes
    from planned
    cross join unnest(policy_codes) as policy_code
    group by business_date, revisit_tag
),

listed as (
    select
        business_date,
        revisit_tag,
        min(campaign_code) as campaign_code,
        bool_or(needs_approval) as needs_approval,
        count(*) as customer_count,
        sum(expected_profit_amount) as expected_profit_amount,
        (business_date + 1 + make_interval(hours => min(first_hour)))
        at time zone '{{ var("business_timezone") }}' as first_call_at,
        md5(string_agg(customer_id, '|' order by customer_id)) as plan_digest
    from planned
    group by business_date, revisit_tag
),

final as (
    select
        business_date,
        revisit_tag,
        revisit_tag.tag_name_zh as task_name,
        listed.campaign_code,
        case
            when not listed.needs_approval or listed.plan_digest = approval.plan_digest
                then 'approved'
            else 'pending'
        end as task_state,
        listed.customer_count,
        coalesce(adjusted.added_count, 0) as added_count,
        coalesce(adjusted.taken_out_count, 0) as taken_out_count,
        listed.first_call_at,
        policy.policy_codes,
        listed.expected_profit_amount
    from listed
    inner join revisit_tag using (revisit_tag)
    left join adjusted using (business_date, revisit_tag)
    left join policy using (business_date, revisit_tag)
    left join approval using (business_date, revisit_tag)
    left join released using (business_date, revisit_tag)
    where released.revisit_tag is null
)

select * from final
