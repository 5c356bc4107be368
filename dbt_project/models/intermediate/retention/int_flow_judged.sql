with flow as (
    select * from {{ ref('fct_contact_flow') }}
    where
        valid_from <= {{ business_date() }}
        and (valid_to is null or {{ business_date() }} < valid_to)
),

wave as (
    select * from {{ ref('int_campaign_waves_in_force') }}
    where wave_kind = 'offer'
),

campaign as (
    select * from {{ ref('int_campaigns_in_force') }}
),

decision as (
    select * from {{ ref('fct_retention_decision') }}
    where business_date = {{ business_date() }}
),

drop_reason as (
    select * from {{ ref('drop_reason') }}
    where holds_everywhere
),

consent as (
    select * from {{ ref('int_customer_consents_summarised') }}
    where as_of_date = {{ business_date() }} and has_marketing_sms_consent
),

limited as (
    select * from {{ ref('int_customer_contacts_limited') }}
),

called as (
    select * from decision
    where is_eligible
),

-- What rules out more than calls.
barred as (
    select distinct on (decision.customer_id, decision.campaign_code)
        decision.customer_id,
        decision.campaign_code,
        drop_reason.drop_reason
    from decision
    inner join drop_reason on drop_reason.drop_reason = any(decision.exclusion_reasons)
    order by decision.customer_id asc, decision.campaign_code asc, drop_reason.reason_rank asc
),

-- One campaign at a time, whatever the channel; and controls stay apart from all of it.
final as (
    select
        {{ business_date() }} as business_date,
        flow.customer_id,
        flow.campaign_code,
        flow.flow_state,
        flow.started_date,
        flow.wave_number,
        flow.wave_started_date,
        flow.contact_count,
        flow.wave_contact_count,
        flow.last_contacted_date,
        wave.channel_code,
        wave.occasion,
        campaign.precedence,
        decision.priority_score,
        case
            when flow.flow_state <> 'running' then flow.flow_state
            when barred.drop_reason is not null then barred.drop_reason
            when campaign.is_held_out and decision.is_global_control then 'global_control'
            when campaign.is_held_out and decision.is_campaign_control then 'campaign_control'
            when called.campaign_code <> flow.campaign_code then 'one_wave'
            when wave.occasion = 'outbound_call' then decision.drop_reason
            when flow.last_contacted_date + wave.wait_days > {{ business_date() }}
                then 'wave_wait'
            when
                wave.occasion = 'message'
                and campaign.needs_consent
                and consent.customer_id is null
                then 'no_consent'
            when wave.is_counted and limited.has_daily_cap then 'daily_cap'
            when wave.is_counted and limited.has_rolling_cap then 'rolling_cap'
            when wave.is_counted and limited.has_minimum_gap then 'minimum_gap'
        end as held_reason
    from flow
    left join wave
        on flow.campaign_code = wave.campaign_code and flow.wave_number = wave.wave_number
    left join campaign on flow.campaign_code = campaign.campaign_code
    left join decision
        on
            flow.customer_id = decision.customer_id
            and flow.campaign_code = decision.campaign_code
    left join barred
        on flow.customer_id = barred.customer_id and flow.campaign_code = barred.campaign_code
    left join called on flow.customer_id = called.customer_id
    left join consent on flow.customer_id = consent.customer_id
    left join limited on flow.customer_id = limited.customer_id
)

select * from final
