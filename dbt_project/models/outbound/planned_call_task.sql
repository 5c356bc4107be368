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

adjustment as (
    select * from {{ ref('stg_dialer__list_adjustment') }}
    where business_date = {{ business_date() }}
),

-- What people have changed comes last: nobody who was not a candidate, and none without a place.
planned as (
    select
        decision.*,
        coalesce(
            decision.priority_rank,
            coalesce(max(decision.priority_rank) over (), 0)
            + row_number() over (
                partition by decision.is_eligible
                order by decision.priority_score desc, decision.customer_id asc
            )
        )::integer as place_number
    from decision
    left join adjustment
        on
            decision.customer_id = adjustment.customer_id
            and decision.revisit_tag = adjustment.revisit_tag
    where coalesce(adjustment.is_added, decision.is_eligible)
),

-- A list keeps its places in the night; one that is worked at random draws who of it has which.
drawn as (
    select
        planned.*,
        campaign.first_hour,
        campaign.needs_approval,
        row_number() over (
            partition by planned.campaign_code, planned.is_eligible
            order by
                case
                    when campaign.call_order = 'random'
                        then md5(concat(planned.business_date, '|', planned.customer_id))
                end asc,
                planned.place_number asc
        )::integer as drawn_number
    from planned
    inner join campaign on planned.campaign_code = campaign.campaign_code
),

-- Dialers strip or misread | ' " ; ` and \ in comments, and cut them after 255 characters.
final as (
    select
        drawn.business_date,
        drawn.customer_id,
        drawn.subscription_id,
        drawn.campaign_code,
        drawn.revisit_tag,
        customer.contact_phone as phone_number,
        customer.customer_name,
        customer.region,
        drawn.customer_grade,
        nth_value(drawn.place_number, drawn.drawn_number) over (
            partition by drawn.campaign_code, drawn.is_eligible
            order by drawn.place_number
            rows between unbounded preceding and unbounded following
        ) as priority_rank,
        drawn.expected_profit_amount,
        drawn.first_hour,
        drawn.needs_approval,
        soothing.policy_codes,
        left(
            regexp_replace(
                concat(
                    revisit_tag.tag_name_zh || '。',
                    '风险：' || warnings.rule_names_zh || '。',
                    '安抚：' || soothing.guidance_zh || '。',
                    '可补偿' || nullif(soothing.subsidy_amount, 0) || '元。',
                    '沟通要点：' || nullif(score.churn_reasons_zh, '') || '。',
                    '近30天已联系' || nullif(drawn.contact_count_30d, 0) || '次。'
                ),
                '[|''";`\\\r\n\t]', '', 'g'
            ),
            255
        ) as agent_hint
    from drawn
    inner join customer on drawn.customer_id = customer.customer_id
    inner join revisit_tag on drawn.revisit_tag = revisit_tag.revisit_tag
    left join warnings on drawn.customer_id = warnings.customer_id
    left join soothing on drawn.customer_id = soothing.customer_id
    left join score on drawn.customer_id = score.customer_id
)

select * from final
