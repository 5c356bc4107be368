with score as (
    select * from {{ ref('stg_ml__churn_score') }}
    where business_date = {{ business_date() }}
),

churn_reason as (
    select * from {{ ref('churn_reason') }}
),

-- A reason may stand for several features: one phrase per code.
reason as (
    select distinct on (reason_code)
        reason_code,
        phrase,
        phrase_zh
    from churn_reason
    order by reason_code, feature, direction
),

final as (
    select
        score.business_date,
        score.customer_id,
        score.model_version,
        first_reason.phrase as churn_reason_1,
        second_reason.phrase as churn_reason_2,
        third_reason.phrase as churn_reason_3,
        concat_ws('；', first_reason.phrase_zh, second_reason.phrase_zh, third_reason.phrase_zh)
            as churn_reasons_zh,
        score.churn_probability
    from score
    left join reason as first_reason on score.reason_1 = first_reason.reason_code
    left join reason as second_reason on score.reason_2 = second_reason.reason_code
    left join reason as third_reason on score.reason_3 = third_reason.reason_code
)

select * from final
