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

needs as (
    select * from {{ ref('int_customer_needs_counted') }}
),

hopping as (
    select * from {{ ref('int_customer_hopping_counted') }}
),

list_membership as (
    select * from {{ ref('stg_crm__list_membership') }}
    where as_of_date = {{ business_date() }}
),

customer_link as (
    select * from {{ ref('stg_crm__customer_link') }}
    where as_of_date = {{ business_date() }} and link_kind = 'same_organisation'
),

membership_in_force as (
    select * from list_membership
    where {{ in_force(business_date(), 'list_membership') }}
),

listed as (
    select
        customer_id,
        bool_or(list_scheme = 'colour' and list_code = 'gold') as is_gold_listed,
        bool_or(list_scheme = 'red_black' and list_code = 'red') as is_red_listed,
        bool_or(list_scheme = 'red_black' and list_code = 'black') as is_black_listed
    from membership_in_force
    group by customer_id
),

organisation as (
    select customer_id from customer_link
    union
    select linked_customer_id as customer_id from customer_link
),

-- The CRM tells no kind of customer: an organisation has neither gender nor birth date.
final as (
    select
        customer_id,
        customer.region,
        customer_value.value_score,
        credit.credit_score,
        billing.arpu_amount,
        coalesce(customer.tenure_days, subscriptions_counted.oldest_subscription_days)::numeric
            as tenure_days,
        customer.star_level::numeric as star_level,
        subscriptions_counted.active_subscription_count::numeric as active_subscription_count,
        (
            organisation.customer_id is not null
            or (coalesce(customer.gender, 'unknown') = 'unknown' and customer.age_years is null)
        )::integer::numeric as is_organisation,
        coalesce(billing.is_prepaid, false)::integer::numeric as is_prepaid,
        coalesce(listed.is_gold_listed, false)::integer::numeric as is_gold_listed,
        coalesce(listed.is_red_listed, false)::integer::numeric as is_red_listed,
        coalesce(listed.is_black_listed, false)::integer::numeric as is_black_listed,
        coalesce(needs.complaint_count_90d, 0)::numeric as complaint_count,
        coalesce(needs.fault_inquiry_count_90d, 0)::numeric as fault_inquiry_count,
        coalesce(needs.new_service_inquiry_count_90d, 0)::numeric as new_service_inquiry_count,
        coalesce(needs.data_inquiry_count_90d, 0)::numeric as data_inquiry_count,
        coalesce(needs.plan_inquiry_count_90d, 0)::numeric as plan_inquiry_count,
        coalesce(billing.payment_count_90d, 0)::numeric as payment_count,
        coalesce(billing.late_payment_count_90d, 0)::numeric as late_payment_count,
        coalesce(billing.overdue_amount, 0) as overdue_amount,
        coalesce(billing.arrears_suspension_count_12m, 0)::numeric as arrears_suspension_count,
        coalesce(hopping.opened_number_count, 0)::numeric as opened_number_count,
        coalesce(hopping.early_passive_end_count, 0)::numeric as early_passive_end_count
    from subscriptions_counted
    left join customer using (customer_id)
    left join billing using (customer_id)
    left join credit using (customer_id)
    left join customer_value using (customer_id)
    left join needs using (customer_id)
    left join hopping using (customer_id)
    left join listed using (customer_id)
    left join organisation using (customer_id)
)

select * from final
