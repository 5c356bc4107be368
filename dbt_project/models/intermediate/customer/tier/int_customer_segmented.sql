with profiled as (
    select * from {{ ref('int_customer_tier_profiled') }}
),

marked as (
    select * from {{ ref('int_tier_profile_marked') }}
),

credit as (
    select * from {{ ref('int_customer_credit_scored') }}
    where as_of_date = {{ business_date() }}
),

manager as (
    select * from {{ ref('fct_account_manager_assignment') }}
    where valid_to is null
),

final as (
    select
        {{ business_date() }} as business_date,
        customer_id,
        profiled.value_score,
        profiled.credit_score,
        credit.credit_band,
        marked.value_tier,
        marked.mobile_tier,
        marked.telecom_tier,
        marked.unicom_tier,
        marked.spend_segment,
        marked.need_segment,
        marked.importance_segment,
        marked.is_flea_customer,
        marked.is_loyal_low_arpu,
        marked.tier_treatment_code,
        manager.staff_id as account_manager_staff_id
    from profiled
    left join marked using (profile_key)
    left join credit using (customer_id)
    left join manager using (customer_id)
)

select * from final
