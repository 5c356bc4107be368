with customer as (
    select * from {{ ref('int_customer_dated') }}
    where as_of_date = {{ business_date() }}
),

subscription as (
    select * from {{ ref('int_subscription_dated') }}
    where as_of_date = {{ business_date() }}
),

action as (
    select * from {{ ref('stg_retention__soothing_action') }}
    where acted_at >= {{ start_of_month() }}
),

answer as (
    select * from {{ ref('fct_risk_answer') }}
    where date_trunc('month', answer_due_date) = date_trunc('month', {{ business_date() }})
),

contact as (
    select * from {{ ref('fct_service_contact') }}
    where
        contacted_date between date_trunc('month', {{ business_date() }}) and {{ business_date() }}
        and interaction_kind = 'complaint'
),

-- Whoever held a service when the month began, and whether he does now.
base as (
    select
        subscription.customer_id,
        bool_or({{ is_held_at(end_of(business_date()), 'subscription') }}) as is_kept
    from subscription
    where {{ is_held_at(start_of_month(), 'subscription') }}
    group by subscription.customer_id
),

customer_acted as (
    select
        department,
        customer_id,
        bool_or(result_code = 'saved') as is_saved,
        bool_or(result_code = 'soothed') as is_soothed,
        bool_or(result_code <> 'unreachable') as is_reached
    from action
    group by department, customer_id
),

-- What one row adds to a metric: to what is counted, and to what it is a share of.
counted as (
    select
        metric.metric_code,
        customer_acted.department,
        customer_acted.customer_id,
        metric.numerator::integer as numerator,
        1 as denominator
    from customer_acted
    cross join
        lateral (
            values
            ('saved_count', customer_acted.is_saved),
            ('soothed_count', customer_acted.is_soothed),
            ('contact_rate', customer_acted.is_reached)
        ) as metric (metric_code, numerator)
    union all
    select
        'feedback_in_time_rate' as metric_code,
        answer.department,
        answer.customer_id,
        (not answer.is_late)::integer as numerator,
        1 as denominator
    from answer
    where answer.is_late or answer.answered_date is not null
    union all
    select
        'retention_rate' as metric_code,
        null as department,
        base.customer_id,
        base.is_kept::integer as numerator,
        1 as denominator
    from base
    union all
    select
        'complaint_rate' as metric_code,
        null as department,
        base.customer_id,
        0 as numerator,
        1 as denominator
    from base
    union all
    select
        'complaint_rate' as metric_code,
        null as department,
        contact.customer_id,
        1 as numerator,
        0 as denominator
    from contact
),

final as (
    select
        counted.metric_code,
        coalesce(counted.department, 'any') as department,
        coalesce(customer.region, 'unknown') as region,
        coalesce(customer.county, 'unknown') as county,
        sum(counted.numerator) as numerator,
        sum(counted.denominator) as denominator
    from counted
    left join customer on counted.customer_id = customer.customer_id
    group by
        counted.metric_code,
        coalesce(counted.department, 'any'),
        coalesce(customer.region, 'unknown'),
        coalesce(customer.county, 'unknown')
)

select * from final
