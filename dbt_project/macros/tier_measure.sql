{#-
    Value of a measure that a row names, from a relation with all measures of
    int_customer_tier_measured as its columns.
-#}
{% macro tier_measure(measure, relation) -%}
    case {{ measure }}
        when 'value_score' then {{ relation }}.value_score
        when 'credit_score' then {{ relation }}.credit_score
        when 'arpu_amount' then {{ relation }}.arpu_amount
        when 'tenure_months' then {{ relation }}.tenure_months
        when 'star_level' then {{ relation }}.star_level
        when 'active_subscription_count' then {{ relation }}.active_subscription_count
        when 'is_organisation' then {{ relation }}.is_organisation
        when 'is_prepaid' then {{ relation }}.is_prepaid
        when 'is_gold_listed' then {{ relation }}.is_gold_listed
        when 'is_red_listed' then {{ relation }}.is_red_listed
        when 'is_black_listed' then {{ relation }}.is_black_listed
        when 'complaint_count' then {{ relation }}.complaint_count
        when 'fault_inquiry_count' then {{ relation }}.fault_inquiry_count
        when 'new_service_inquiry_count' then {{ relation }}.new_service_inquiry_count
        when 'data_inquiry_count' then {{ relation }}.data_inquiry_count
        when 'plan_inquiry_count' then {{ relation }}.plan_inquiry_count
        when 'payment_count' then {{ relation }}.payment_count
        when 'late_payment_count' then {{ relation }}.late_payment_count
        when 'overdue_amount' then {{ relation }}.overdue_amount
        when 'arrears_suspension_count' then {{ relation }}.arrears_suspension_count
        when 'arrears_sign_count' then {{ relation }}.arrears_sign_count
        when 'opened_number_count' then {{ relation }}.opened_number_count
        when 'early_passive_end_count' then {{ relation }}.early_passive_end_count
    end
{%- endmacro %}
