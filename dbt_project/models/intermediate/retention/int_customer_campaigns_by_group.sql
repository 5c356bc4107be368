-- A view: few campaigns name a group, and the candidates read it once.
{{ config(materialized='view') }}

with member as (
    select * from {{ ref('fct_group_member') }}
    where business_date = {{ business_date() }}
),

campaign as (
    select * from {{ ref('int_campaigns_in_force') }}
),

final as (
    select
        member.customer_id,
        array_agg(campaign.campaign_code order by campaign.campaign_code) as campaign_codes
    from member
    inner join campaign on member.group_code = campaign.group_code
    group by member.customer_id
)

select * from final
