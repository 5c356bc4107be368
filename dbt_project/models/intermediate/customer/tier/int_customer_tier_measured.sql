-- A view: read once, by int_customer_tier_profiled. Everything is a number, yes is 1: tiers are cut
-- by what seeds/tier_cut.csv and seeds/segment_rule.csv name as a measure.
{{ config(materialized='view') }}

with subscriptions_counted as (
    select * from {{ ref('int_customer_subscriptions_counted') }}
    where as_of_date = {{ business_date() }}
),

customer as (
    select * from {{ ref('int_customer_dated') }}
    where as_of_date = {{ business_date() }}
),

billing as (
    select * from {{ ref('int_customer_billing_summarised') }}
    where as_of_date = {{ business_date() }}
),

credit as (
    select * from {{ ref('int_customer_credit_scored') }}
    where as_of_date = {{ business_date() }}
),

customer_value as (
    select * from {{ ref('int_customer_value_scored') }}
    where as_of_date = {{ business_date() }}
),

complaints as (
    select * from {{ ref('int_customer_complaints_summarised') }}
    where as_of_date = {{ business_date() }}
),

inquiries as (
    select * from {{ ref('int_customer_inquiries_counted') }}
),

hopping as (
    select * from {{ ref('int_customer_hopping_counted') }}
),

listed as (
    select * from {{ ref('int_customer_listed') }}
),

links as (
    select * from {{ ref('int_customer_links_counted') }}
    where as_of_date = {{ business_date() }}
),

-- The CRM tells no kind of customer: an organisation has neither gender nor birth date.
final as (
    select
        customer_id,
        customer.region,
        customer_value.value_score,
        credit.credit_score,
        billing.arpu_amount,
        {{ whole_months(
            'coalesce(
                customer.registered_date,
                ' ~ business_date() ~ ' - subscriptions_counted.oldest_subscription_days
            )',
            business_date()
        ) }}::numeric as tenure_months,
        customer.star_level::numeric as star_level,
        subscriptions_counted.active_subscription_count::numeric as active_subscription_count,
        (
            coalesce(links.same_organisation_count, 0) > 0
            or (coalesce(customer.gender, 'unknown') = 'unknown' and customer.age_years is null)
        )::integer::numeric as is_organisation,
        coalesce(billing.is_prepaid, false)::integer::numeric as is_prepaid,
        coalesce(listed.is_gold_listed, false)::integer::numeric as is_gold_listed,
        coalesce(listed.is_on_red_list, false)::integer::numeric as is_red_listed,
        coalesce(listed.is_on_black_list, false)::integer::numeric as is_black_listed,
        coalesce(complaints.complaint_count_3m, 0)::numeric as complaint_count,
        coalesce(inquiries.fault_inquiry_count_3m, 0)::numeric as fault_inquiry_count,
        coalesce(inquiries.new_service_inquiry_count_3m, 0)::numeric as new_service_inquiry_count,
        coalesce(inquiries.data_inquiry_count_3m, 0)::numeric as data_inquiry_count,
        coalesce(inquiries.plan_inquiry_count_3m, 0)::numeric as plan_inquiry_count,
        coalesce(billing.payment_count_90d, 0)::numeric as payment_count,
        coalesce(billing.late_payment_count_12m, 0)::numeric as late_payment_count,
        coalesce(billing.overdue_amount, 0) as overdue_amount,
        coalesce(billing.arrears_suspension_count_12m, 0)::numeric as arrears_suspension_count,
        (
            coalesce(billing.late_payment_count_12m + billing.arrears_suspension_count_12m, 0)
            + coalesce(billing.overdue_amount > 0, false)::integer
        )::numeric as arrears_sign_count,
        coalesce(hopping.opened_number_count, 0)::numeric as opened_number_count,
        coalesce(hopping.early_passive_end_count, 0)::numeric as early_passive_end_count
    from subscriptions_counted
    left join customer using (customer_id)
    left join billing using (customer_id)
    left join credit using (customer_id)
    left join customer_value using (customer_id)
    left join complaints using (customer_id)
    left join inquiries using (customer_id)
    left join hopping using (customer_id)
    left join listed using (customer_id)
    left join links using (customer_id)
)

select * from final
