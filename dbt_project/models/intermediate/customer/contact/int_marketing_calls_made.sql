-- A view: calls are as many as agents make, and the dialer's tables hold each once.
{{ config(materialized='view') }}

with attempt as (
    select * from {{ ref('stg_dialer__call_attempt') }}
),

task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

outcome as (
    select * from {{ ref('call_outcome') }}
),

campaign as (
    select * from {{ ref('campaign') }}
),

contact_class as (
    select * from {{ ref('contact_class') }}
),

flow as (
    select * from {{ ref('campaign_flow') }}
),

wave as (
    select * from {{ ref('campaign_wave') }}
    where occasion = 'outbound_call'
),

-- One whose campaign is gone counts as marketing, as it does in the limits of contact.
call_made as (
    select
        attempt.call_id,
        task.customer_id,
        {{ local_date('attempt.called_at') }} as contacted_date,
        coalesce(flow.proposal_code, task.revisit_tag) as proposal_code,
        coalesce(wave.wave_number, 1) as wave_number,
        case
            when outcome.outcome_code in ('accepted', 'refused') then outcome.outcome_code
            when outcome.outcome_code = 'do_not_call' then 'unsubscribed'
            when outcome.outcome_code = 'callback_agreed' then 'later'
            when outcome.is_reached then 'none'
            else 'not_reached'
        end as response,
        attempt.agent_id,
        attempt.called_at
    from attempt
    inner join task on attempt.call_task_id = task.call_task_id
    inner join outcome on attempt.outcome_code = outcome.outcome_code
    left join campaign
        on
            task.revisit_tag = campaign.revisit_tag
            and {{ in_force('task.business_date', 'campaign') }}
    left join contact_class
        on
            campaign.contact_class = contact_class.contact_class
            and {{ in_force('task.business_date', 'contact_class') }}
    left join flow
        on
            campaign.campaign_code = flow.campaign_code
            and {{ in_force('task.business_date', 'flow') }}
    left join wave
        on
            campaign.campaign_code = wave.campaign_code
            and {{ in_force('task.business_date', 'wave') }}
    where coalesce(contact_class.is_counted, true)
),

final as (
    select
        call_id,
        customer_id,
        contacted_date,
        proposal_code,
        wave_number,
        (
            count(*) over (
                partition by customer_id, proposal_code, wave_number
                order by called_at asc
                range between interval '{{ var("contact_window_days") }} days' preceding
                and current row
            )
        )::integer as contact_number,
        response,
        agent_id,
        called_at
    from call_made
)

select * from final
