with decision as (
    select * from {{ ref('fct_retention_decision') }}
    where business_date = {{ business_date() }}
),

customer as (
    select * from {{ ref('int_customer_dated') }}
    where as_of_date = {{ business_date() }}
),

warnings as (
    select * from {{ ref('fct_customer_risk') }}
    where business_date = {{ business_date() }}
),

soothing as (
    select * from {{ ref('int_customer_to_soothe') }}
),

score as (
    select * from {{ ref('int_churn_score_explained') }}
),

revisit_tag as (
    select * from {{ ref('revisit_tag') }}
),

campaign as (
    select * from {{ ref('int_campaigns_in_force') }}
),

-- Dialers strip or misread | ' " ; ` and \ in comments, and cut them after 255 characters.
final as (
    select
        decision.business_date,
        decision.customer_id,
        decision.subscription_id,
        decision.campaign_code,
        decision.revisit_tag,
        customer.contact_phone as phone_number,
        customer.customer_name,
        customer.region,
        decision.customer_grade,
        decision.priority_rank,
        decision.expected_profit_amount,
        campaign.first_hour,
        campaign.needs_approval,
        left(
            regexp_replace(
                concat(
                    revisit_tag.tag_name_zh || '。',
                    '风险：' || warnings.rule_names_zh || '。',
                    '安抚：' || soothing.guidance_zh || '。',
                    '可补偿' || nullif(soothing.subsidy_amount, 0) || '元。',
                    '沟通要点：' || nullif(score.churn_reasons_zh, '') || '。',
                    '近30天已联系' || nullif(decision.contact_count_30d, 0) || '次。'
                ),
                '[|''";`\\\r\n\t]', '', 'g'
            ),
            255
        ) as agent_hint
    from decision
    inner join customer on decision.customer_id = customer.customer_id
    inner join revisit_tag on decision.revisit_tag = revisit_tag.revisit_tag
    inner join campaign on decision.campaign_code = campaign.campaign_code
    left join warnings on decision.customer_id = warnings.customer_id
    left join soothing on decision.customer_id = soothing.customer_id
    left join score on decision.customer_id = score.customer_id
    where decision.is_eligible
)

select * from final
