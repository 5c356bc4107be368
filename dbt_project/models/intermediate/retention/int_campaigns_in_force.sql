-- A view: thirteen rows, and a preview may try other values.
{{ config(materialized='view') }}

with campaign as (
    select * from {{ ref('campaign') }}
),

contact_class as (
    select * from {{ ref('contact_class') }}
),

calling_hours as (
    select * from {{ ref('int_calling_hours_next_day') }}
),

final as (
    select
        {{ business_date() }} as business_date,
        campaign.campaign_code,
        campaign.revisit_tag,
        campaign.contact_class,
        campaign.team_code,
        campaign.group_code,
        campaign.line_source,
        campaign.propensity_source,
        campaign.value_source,
        campaign.call_order,
        contact_class.precedence,
        calling_hours.first_hour,
        {{ tried("campaign.campaign_code || '.propensity'", "campaign.propensity") }} as propensity,
        {{ tried("campaign.campaign_code || '.value_amount'", "campaign.value_amount") }}
            as value_amount,
        {{ tried("campaign.campaign_code || '.value_months'", "campaign.value_months") }}
            as value_months,
        {{ tried("campaign.campaign_code || '.context_weight'", "campaign.context_weight") }}
            as context_weight,
        {{ tried("campaign.campaign_code || '.lever'", "campaign.lever") }} as lever,
        {{ tried("campaign.campaign_code || '.control_share'", "campaign.control_share") }}
            as control_share,
        campaign.is_pitch,
        campaign.needs_approval,
        contact_class.needs_consent,
        contact_class.is_limited,
        contact_class.must_pay,
        contact_class.is_held_out
    from campaign
    inner join contact_class on campaign.contact_class = contact_class.contact_class
    left join calling_hours on campaign.contact_class = calling_hours.contact_class
    where
        {{ in_force(business_date(), 'campaign') }}
        and {{ in_force(business_date(), 'contact_class') }}
        and {{ tried("campaign.campaign_code || '.is_enabled'", "campaign.is_enabled::integer") }}
        > 0
)

select * from final
