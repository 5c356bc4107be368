-- A view: a handful of rows.
{{ config(materialized='view') }}

with campaign_flow as (
    select * from {{ ref('campaign_flow') }}
),

campaign_wave as (
    select * from {{ ref('campaign_wave') }}
),

channel as (
    select * from {{ ref('contact_channel') }}
),

final as (
    select
        {{ business_date() }} as business_date,
        campaign_flow.campaign_code,
        campaign_flow.proposal_code,
        campaign_flow.rest_days,
        campaign_flow.saving_measure,
        campaign_flow.saving_days,
        campaign_wave.wave_number,
        campaign_wave.wave_kind,
        campaign_wave.channel_code,
        campaign_wave.occasion,
        campaign_wave.contact_maximum,
        campaign_wave.wait_days,
        campaign_wave.valid_days,
        campaign_wave.message_zh,
        channel.is_counted
    from campaign_flow
    inner join campaign_wave on campaign_flow.campaign_code = campaign_wave.campaign_code
    inner join channel on campaign_wave.channel_code = channel.channel_code
    where
        {{ in_force(business_date(), 'campaign_flow') }}
        and {{ in_force(business_date(), 'campaign_wave') }}
)

select * from final
