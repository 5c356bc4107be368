-- One list of everything, longer than a model may be, in the operator's five groups.
with customer as (
    select * from {{ ref('int_customer_dated') }}
    where as_of_date = {{ business_date() }}
),

subscriptions_counted as (
    select * from {{ ref('int_customer_subscriptions_counted') }}
    where as_of_date = {{ business_date() }}
),

billing as (
    select * from {{ ref('int_customer_billing_summarised') }}
    where as_of_date = {{ business_date() }}
),

mobile as (
    select * from {{ ref('int_customer_mobile_summarised') }}
    where as_of_date = {{ business_date() }}
),

broadband as (
    select * from {{ ref('int_customer_usage_summarised') }}
    where as_of_date = {{ business_date() }}
),

data_service as (
    select * from {{ ref('int_customer_data_service_summarised') }}
    where as_of_date = {{ business_date() }}
),

value_added as (
    select * from {{ ref('int_customer_value_added_summarised') }}
    where as_of_date = {{ business_date() }}
),

roaming as (
    select * from {{ ref('int_customer_roaming_summarised') }}
    where as_of_date = {{ business_date() }}
),

faults as (
    select * from {{ ref('int_customer_faults_summarised') }}
    where as_of_date = {{ business_date() }}
),

optical as (
    select * from {{ ref('int_customer_optical_summarised') }}
    where as_of_date = {{ business_date() }}
),

device as (
    select * from {{ ref('int_customer_device_latest') }}
    where as_of_date = {{ business_date() }}
),

contacts as (
    select * from {{ ref('int_customer_contacts_summarised') }}
    where as_of_date = {{ business_date() }}
),

leaving as (
    select * from {{ ref('int_customer_leaving_signed') }}
),

segmented as (
    select * from {{ ref('int_customer_segmented') }}
),

sensitivity as (
    select * from {{ ref('int_customer_sensitivity_scored') }}
    where as_of_date = {{ business_date() }}
),

warnings as (
    select * from {{ ref('fct_customer_risk') }}
    where business_date = {{ business_date() }}
),

score as (
    select * from {{ ref('int_churn_score_explained') }}
),

interpreted as (
    select * from {{ ref('int_customer_interpreted') }}
),

suited as (
    select * from {{ ref('int_customer_service_suited') }}
),

consents as (
    select * from {{ ref('int_customer_consents_summarised') }}
    where as_of_date = {{ business_date() }}
),

revisited as (
    select * from {{ ref('int_customer_revisited') }}
),

links as (
    select * from {{ ref('int_customer_links_counted') }}
    where as_of_date = {{ business_date() }}
),

loyalty as (
    select * from {{ ref('int_customer_loyalty_latest') }}
    where as_of_date = {{ business_date() }}
),

listed as (
    select * from {{ ref('int_customer_listed') }}
),

-- Not materialised: a table read twice would keep what follows from the workers.
handling as not materialized (
    select * from {{ ref('sensitivity_handling') }}
),

final as (
    select
        customer_id,
        customer.as_of_date as business_date,
        -- Basic (基本信息): who it is, and what contact there was.
        left(customer.customer_name, 1) || '**' as masked_name,
        {{ masked_phone('customer.contact_phone') }} as masked_phone,
        customer.gender,
        customer.age_years,
        customer.is_birthday_tomorrow,
        customer.region,
        customer.county,
        customer.registered_date,
        customer.tenure_days,
        coalesce(contacts.contact_count_3m, 0) as contact_count_3m,
        coalesce(contacts.hotline_contact_count_3m, 0) as hotline_contact_count_3m,
        coalesce(contacts.store_contact_count_3m, 0) as store_contact_count_3m,
        coalesce(contacts.electronic_contact_count_3m, 0) as electronic_contact_count_3m,
        coalesce(contacts.outbound_contact_count_3m, 0) as outbound_contact_count_3m,
        coalesce(contacts.inquiry_count_3m, 0) as inquiry_count_3m,
        coalesce(contacts.bill_query_count_3m, 0) as bill_query_count_3m,
        coalesce(contacts.urge_count_3m, 0) as urge_count_3m,
        contacts.last_contact_at,
        contacts.last_contact_channel,
        contacts.last_contact_kind,
        leaving.last_leaving_sign_date,
        -- Dealings (往来信息): plans, bills and use; data service, value-added services, roaming,
        -- faults and terminal.
        coalesce(subscriptions_counted.active_subscription_count, 0) as active_subscription_count,
        coalesce(subscriptions_counted.broadband_subscription_count, 0)
            as broadband_subscription_count,
        coalesce(subscriptions_counted.mobile_subscription_count, 0) as mobile_subscription_count,
        coalesce(subscriptions_counted.fixed_voice_subscription_count, 0)
            as fixed_voice_subscription_count,
        subscriptions_counted.broadband_plan_name,
        subscriptions_counted.mobile_plan_name,
        subscriptions_counted.bandwidth_mbps,
        subscriptions_counted.monthly_rent_amount,
        subscriptions_counted.contract_remaining_days,
        subscriptions_counted.newest_subscription_days,
        billing.invoice_amount_90d,
        coalesce(billing.payment_count_90d, 0) as payment_count_90d,
        coalesce(billing.late_payment_count_90d, 0) as late_payment_count_90d,
        coalesce(billing.overdue_amount, 0) as overdue_amount,
        billing.planned_suspension_date,
        billing.balance_amount,
        billing.account_state,
        billing.is_auto_pay,
        mobile.cmnet_mb_today,
        mobile.cmwap_mb_today,
        mobile.cmnet_mb_month,
        mobile.cmwap_mb_month,
        mobile.data_mb_30d,
        mobile.data_day_count_30d,
        mobile.voice_minutes_30d,
        mobile.sms_count_30d,
        mobile.mms_count_30d,
        mobile.competitor_call_count_30d,
        mobile.last_mobile_use_date,
        data_service.data_package_name,
        data_service.data_package_opened_date,
        data_service.data_package_staff_id,
        data_service.data_package_channel,
        data_service.data_package_monthly_fee_amount,
        data_service.data_allowance_mb,
        data_service.data_used_mb_last_month,
        data_service.data_used_ratio,
        coalesce(value_added.value_added_service_count, 0) as value_added_service_count,
        coalesce(value_added.value_added_fee_amount, 0) as value_added_fee_amount,
        coalesce(value_added.service_provider_subscription_count, 0)
            as service_provider_subscription_count,
        value_added.service_provider_subscribed_date,
        value_added.uplink_count,
        value_added.downlink_sms_count,
        value_added.downlink_wap_count,
        value_added.downlink_mms_count,
        value_added.mms_use_count,
        value_added.mms_application_uses,
        coalesce(value_added.has_ring_back_tone, false) as has_ring_back_tone,
        value_added.ring_back_tone_opened_date,
        value_added.ring_back_tone_staff_id,
        value_added.is_ring_back_tone_group,
        value_added.ring_back_tone_use_count,
        value_added.ring_back_tone_change_count,
        value_added.ring_back_tone_fee_amount,
        coalesce(roaming.roaming_count_2m, 0) as roaming_count_2m,
        coalesce(roaming.roaming_fee_amount_2m, 0) as roaming_fee_amount_2m,
        coalesce(roaming.border_roaming_count_this_month, 0) as border_roaming_count_this_month,
        coalesce(roaming.border_roaming_count_last_month, 0) as border_roaming_count_last_month,
        coalesce(roaming.out_of_province_count_2m, 0) as out_of_province_count_2m,
        roaming.last_roaming_date,
        roaming.last_roaming_province,
        roaming.last_roaming_city,
        roaming.last_base_station_id,
        roaming.most_visited_province_2m,
        broadband.download_gib_30d,
        broadband.online_hours_30d,
        broadband.usage_change_ratio,
        broadband.days_since_last_online,
        coalesce(faults.open_ticket_count, 0) as open_ticket_count,
        faults.oldest_open_ticket_at,
        coalesce(faults.ticket_count_30d, 0) as ticket_count_30d,
        coalesce(faults.ticket_count_90d, 0) as ticket_count_90d,
        coalesce(faults.dispatch_count_90d, 0) as dispatch_count_90d,
        faults.longest_fault_days_90d,
        optical.optical_loss_db,
        optical.optical_measured_at,
        device.device_brand,
        device.device_model,
        device.network_generation,
        device.device_state,
        device.device_tenure_days,
        device.has_gprs,
        device.has_wap,
        device.has_java,
        device.has_mms,
        device.is_smart_device,
        -- Evaluation (评价信息): value, tiers, credit, complaints, sensitivities, risk, score.
        customer.star_level,
        billing.arpu_amount,
        segmented.value_score,
        segmented.value_tier,
        segmented.mobile_tier,
        segmented.telecom_tier,
        segmented.unicom_tier,
        segmented.spend_segment,
        segmented.need_segment,
        segmented.importance_segment,
        segmented.credit_score,
        segmented.credit_band,
        coalesce(segmented.is_flea_customer, false) as is_flea_customer,
        coalesce(segmented.is_loyal_low_arpu, false) as is_loyal_low_arpu,
        coalesce(contacts.complaint_count_3m, 0) as complaint_count_3m,
        coalesce(contacts.fee_complaint_count_3m, 0) as fee_complaint_count_3m,
        coalesce(contacts.network_complaint_count_3m, 0) as network_complaint_count_3m,
        coalesce(contacts.service_complaint_count_3m, 0) as service_complaint_count_3m,
        coalesce(contacts.complaint_count_12m, 0) as complaint_count_12m,
        contacts.last_complaint_date,
        contacts.last_complaint_category,
        coalesce(interpreted.is_complaint_alert, false) as is_complaint_alert,
        sensitivity.complaint_sensitivity_score,
        sensitivity.complaint_sensitivity_band,
        sensitivity.complaint_sensitivity_percentile,
        sensitivity.fee_sensitivity_score,
        sensitivity.fee_sensitivity_band,
        sensitivity.fee_sensitivity_percentile,
        coalesce(warnings.warning_count, 0) as warning_count,
        warnings.highest_risk_level,
        coalesce(warnings.rule_codes, array[]::text[]) as rule_codes,
        score.churn_probability,
        score.model_version,
        score.churn_reason_1,
        score.churn_reason_2,
        score.churn_reason_3,
        -- Marketing (营销信息): what may be said and how.
        customer.is_do_not_call,
        coalesce(consents.has_marketing_call_consent, false) as has_marketing_call_consent,
        coalesce(consents.has_marketing_sms_consent, false) as has_marketing_sms_consent,
        coalesce(consents.has_profiling_consent, false) as has_profiling_consent,
        coalesce(interpreted.interpretation_codes, array[]::text[]) as interpretation_codes,
        interpreted.interpretations_zh,
        interpreted.interpretations_en,
        coalesce(interpreted.is_data_saturated, false) as is_data_saturated,
        coalesce(interpreted.is_frequent_data_user, false) as is_frequent_data_user,
        coalesce(interpreted.is_frequent_roamer, false) as is_frequent_roamer,
        suited.suitable_service_code,
        suited.suitable_service_zh,
        suited.suitable_service_en,
        nullif(concat_ws('；', complaint_handling.avoid_zh, fee_handling.avoid_zh), '')
            as to_avoid_zh,
        nullif(concat_ws('；', complaint_handling.do_zh, fee_handling.do_zh), '')
            as to_do_zh,
        segmented.tier_treatment_code,
        segmented.account_manager_staff_id,
        revisited.last_revisit_tag,
        revisited.last_revisit_outcome,
        revisited.last_revisit_at,
        coalesce(revisited.revisit_call_count_90d, 0) as revisit_call_count_90d,
        -- Other (其他信息): relations, points, lists.
        coalesce(links.linked_customer_count, 0) as linked_customer_count,
        coalesce(links.same_person_count, 0) as same_person_count,
        coalesce(links.family_member_count, 0) as family_member_count,
        coalesce(links.same_organisation_count, 0) as same_organisation_count,
        coalesce(links.pays_for_others, false) as pays_for_others,
        loyalty.points_balance_count,
        loyalty.points_expiring_count,
        loyalty.last_redeemed_date,
        coalesce(listed.colour_codes, array[]::text[]) as colour_codes,
        coalesce(listed.is_on_red_list, false) as is_on_red_list,
        coalesce(listed.is_on_black_list, false) as is_on_black_list
    from customer
    left join subscriptions_counted using (customer_id)
    left join billing using (customer_id)
    left join mobile using (customer_id)
    left join broadband using (customer_id)
    left join data_service using (customer_id)
    left join value_added using (customer_id)
    left join roaming using (customer_id)
    left join faults using (customer_id)
    left join optical using (customer_id)
    left join device using (customer_id)
    left join contacts using (customer_id)
    left join leaving using (customer_id)
    left join segmented using (customer_id)
    left join sensitivity using (customer_id)
    left join warnings using (customer_id)
    left join score using (customer_id)
    left join interpreted using (customer_id)
    left join suited using (customer_id)
    left join consents using (customer_id)
    left join revisited using (customer_id)
    left join links using (customer_id)
    left join loyalty using (customer_id)
    left join listed using (customer_id)
    left join handling as complaint_handling
        on
            complaint_handling.sensitivity_kind = 'complaint'
            and sensitivity.complaint_sensitivity_band = complaint_handling.band_code
    left join handling as fee_handling
        on
            fee_handling.sensitivity_kind = 'fee'
            and sensitivity.fee_sensitivity_band = fee_handling.band_code
)

select * from final
