-- A view: which customers are selected rests on parameters that a preview may try.
{{ config(materialized='view') }}

-- Not materialised: what is read twice would keep the customers from the workers.
with parameter as not materialized (
    select * from {{ ref('int_retention_parameters_pivoted') }}
),

seen as (
    select * from {{ ref('customer_360') }}
    where business_date = {{ business_date() }} and active_subscription_count > 0
),

customer as (
    select
        seen.*,
        seen.churn_probability >= parameter.churn_probability_minimum as may_churn,
        coalesce(seen.value_tier in ('high', 'mid'), false) as is_mid_high,
        seen.business_date - seen.last_mobile_use_date as mobile_silent_days,
        seen.newest_subscription_days between 1 and parameter.new_install_days as is_installed,
        seen.planned_suspension_date - seen.business_date
        between 1 and parameter.pre_suspension_days as is_to_be_suspended,
        seen.overdue_amount >= parameter.dunning_amount_minimum as is_to_be_dunned,
        seen.voice_minutes_30d >= parameter.ring_back_tone_minutes_minimum
        and not seen.has_ring_back_tone as is_without_tone,
        seen.suitable_service_code in ('larger_data_package', 'smaller_data_package') as has_misfit,
        seen.suitable_service_code in ('roaming_package', 'border_package') as needs_roaming,
        seen.business_date - seen.last_leaving_sign_date < parameter.leaving_sign_days as may_leave,
        seen.business_date - seen.last_complaint_date < parameter.care_complaint_days
        and seen.complaint_sensitivity_band = 'high' as is_upset,
        seen.is_birthday_tomorrow
        or to_char(seen.registered_date, 'MMDD') = to_char(seen.business_date + 1, 'MMDD')
        and seen.tenure_days >= 364 as is_feast_tomorrow
    from seen
    cross join parameter
),

to_soothe as (
    select * from {{ ref('int_customer_to_soothe') }}
),

contract_ending as (
    select * from {{ ref('int_customer_contract_ending') }}
),

by_group as (
    select * from {{ ref('int_customer_campaigns_by_group') }}
),

campaign as (
    select * from {{ ref('int_campaigns_in_force') }}
),

-- One condition for each campaign, or a saved group; the customer view is read once for all.
selected as (
    select
        customer.*,
        contract_ending.subscription_id as contract_subscription_id,
        unnest(array_remove(array[
            case when to_soothe.needs_explanation then 'fault_explanation' end,
            case when customer.warning_count > 0 then 'risk_soothing' end,
            case when customer.is_installed then 'new_install_revisit' end,
            case when customer.may_churn then 'churn_warning' end,
            case when customer.may_churn and customer.is_mid_high then 'churn_warning_mid_high' end,
            case
                when
                    customer.mobile_subscription_count > 0 and customer.mobile_silent_days
                    between parameter.silent_days and parameter.silent_days_maximum
                    or customer.broadband_subscription_count > 0 and customer.days_since_last_online
                    between parameter.silent_days and parameter.silent_days_maximum
                    or customer.competitor_call_count_30d >= parameter.competitor_call_minimum
                    or customer.may_leave
                    then 'off_net_warning'
            end,
            case when contract_ending.customer_id is not null then 'contract_expiry' end,
            case when customer.is_to_be_suspended then 'pre_suspension_reminder' end,
            case when customer.is_to_be_dunned then 'dunning' end,
            case
                when
                    customer.is_mid_high and customer.is_feast_tomorrow or customer.is_upset
                    then 'care'
            end,
            case when customer.has_misfit then 'plan_change' end,
            case when customer.is_without_tone then 'ring_back_tone' end,
            case when customer.needs_roaming then 'special_topic_roaming' end
        ], null) || by_group.campaign_codes) as campaign_code
    from customer
    cross join parameter
    left join to_soothe on customer.customer_id = to_soothe.customer_id
    left join contract_ending
        on
            customer.customer_id = contract_ending.customer_id
            and parameter.contract_expiry_days >= contract_ending.contract_remaining_days
    left join by_group on customer.customer_id = by_group.customer_id
),

final as (
    select
        selected.customer_id,
        selected.campaign_code,
        selected.business_date,
        selected.contract_subscription_id,
        case when selected.is_mid_high then 'mid_high_end' else 'other' end as customer_grade,
        selected.rule_codes,
        selected.highest_risk_level,
        selected.complaint_sensitivity_band,
        selected.fee_sensitivity_band,
        selected.churn_probability,
        -- Invoices hold what is used beyond the rent; the rent covers who has few invoices yet.
        coalesce(greatest(selected.invoice_amount_90d, selected.monthly_rent_amount), 0)
            as monthly_value_amount,
        selected.overdue_amount,
        selected.masked_phone is not null as has_phone,
        selected.is_do_not_call,
        selected.is_on_black_list
    from selected
    inner join campaign on selected.campaign_code = campaign.campaign_code
)

select * from final
