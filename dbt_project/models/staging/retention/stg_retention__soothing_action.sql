with source as (
    select * from {{ source('retention', 'soothing_action') }}
    where business_date <= {{ business_date() }}
),

-- A row that is delivered twice counts once: the newest delivery holds.
final as (
    select distinct on (trim(action_id))
        trim(action_id) as action_id,
        trim(customer_id) as customer_id,
        nullif(trim(subscription_id), '') as subscription_id,
        nullif(trim(rule_code), '') as rule_code,
        nullif(trim(remediation_order_id), '') as remediation_order_id,
        nullif(trim(policy_code), '') as policy_code,
        acted_at,
        action_kind,
        compensation_amount,
        is_operator_cause,
        result_code,
        department,
        nullif(trim(staff_id), '') as staff_id,
        business_date as delivered_date
    from source
    where acted_at < {{ end_of(business_date()) }}
    order by
        trim(action_id) asc,
        business_date desc,
        extract_load_id desc
)

select * from final
