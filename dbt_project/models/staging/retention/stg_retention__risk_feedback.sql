with source as (
    select * from {{ source('retention', 'risk_feedback') }}
    where business_date <= {{ business_date() }}
),

-- A row that is delivered twice counts once: the newest delivery holds.
final as (
    select distinct on (trim(feedback_id))
        trim(feedback_id) as feedback_id,
        feedback_kind,
        nullif(trim(customer_id), '') as customer_id,
        nullif(trim(subscription_id), '') as subscription_id,
        nullif(trim(rule_code), '') as rule_code,
        nullif(trim(remediation_order_id), '') as remediation_order_id,
        risk_month,
        department,
        nullif(trim(staff_id), '') as staff_id,
        handled_at,
        fed_back_at,
        result_code,
        request_reason,
        churn_reason,
        importance,
        business_date as delivered_date
    from source
    where fed_back_at < {{ end_of(business_date()) }}
    order by
        trim(feedback_id) asc,
        business_date desc,
        extract_load_id desc
)

select * from final
