-- A view: what may be called changes with the wave that is open.
{{ config(materialized='view') }}

with flow as (
    select * from {{ ref('fct_contact_flow') }}
),

wave as (
    select * from {{ ref('int_campaign_waves_in_force') }}
    where occasion = 'outbound_call'
),

final as (
    select
        {{ business_date() }} as business_date,
        flow.customer_id,
        flow.campaign_code
    from flow
    left join wave
        on flow.campaign_code = wave.campaign_code and flow.wave_number = wave.wave_number
    where
        {{ in_force(business_date(), 'flow') }}
        and (flow.flow_state <> 'running' or wave.campaign_code is null)
)

select * from final
