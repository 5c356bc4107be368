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

risk as (
    select * from {{ ref('fct_customer_risk') }}
    where business_date = {{ business_date() }}
),

weight as (
    select * from {{ ref('retention_parameter') }}
),

soothing as (
    select * from {{ ref('int_customer_to_soothe') }}
),

score as (
    select * from {{ ref('int_churn_score_explained') }}
),

parameter as (
    select * from {{ ref('int_retention_parameters_pivoted') }}
),

call_task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

-- Who shares the number of somebody who must not be called must not be called on it either.
do_not_call_number as (
    select distinct contact_phone from customer
    where is_do_not_call and contact_phone is not null
),

-- Judged as of the business date, so that what happens to a task later changes no past decision.
customer_with_open_task as (
    select distinct customer_id
    from call_task
    where
        business_date < {{ business_date() }}
        and (closed_at is null or closed_at >= {{ end_of(business_date()) }})
),

candidate as (
    select
        customer_id,
        subscriptions_counted.as_of_date as business_date,
        risk.worst_subscription_id as subscription_id,
        case
            when soothing.needs_explanation then 'fault_explanation'
            when risk.customer_id is not null then 'risk_soothing'
            else 'churn_warning'
        end as revisit_tag,
        coalesce(risk.rule_codes, array[]::text[]) as rule_codes,
        risk.highest_risk_level,
        score.churn_probability,
        -- Invoices hold what is used beyond the rent; the rent covers who has few invoices yet.
        coalesce(
            greatest(billing.invoice_amount_90d, subscriptions_counted.monthly_rent_amount), 0
        ) as monthly_value_amount,
        weight.parameter_value as risk_weight,
        coalesce(score.churn_probability, parameter.churn_probability_default)
            as churn_probability_used
    from subscriptions_counted
    left join risk using (customer_id)
    left join soothing using (customer_id)
    left join score using (customer_id)
    left join billing using (customer_id)
    cross join parameter
    inner join weight
        on concat('risk_weight_', coalesce(risk.highest_risk_level, 'none')) = weight.parameter_name
    where
        risk.customer_id is not null
        or soothing.needs_explanation
        or score.churn_probability >= parameter.churn_probability_minimum
),

-- The first reason that applies is the one that is stored.
final as (
    select
        candidate.business_date,
        candidate.customer_id,
        candidate.subscription_id,
        candidate.revisit_tag,
        candidate.rule_codes,
        candidate.highest_risk_level,
        candidate.churn_probability,
        candidate.monthly_value_amount,
        round(
            candidate.churn_probability_used
            * candidate.monthly_value_amount
            * candidate.risk_weight,
            4
        ) as priority_score,
        case
            when customer.is_do_not_call or do_not_call_number.contact_phone is not null
                then 'do_not_call'
            when customer.contact_phone is null then 'no_phone'
            when customer_with_open_task.customer_id is not null then 'open_task'
        end as exclusion_reason
    from candidate
    left join customer on candidate.customer_id = customer.customer_id
    left join do_not_call_number on customer.contact_phone = do_not_call_number.contact_phone
    left join customer_with_open_task
        on candidate.customer_id = customer_with_open_task.customer_id
)

select * from final
