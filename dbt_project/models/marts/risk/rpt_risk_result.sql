{{ config(unique_key='business_date') }}

with action as (
    select * from {{ ref('stg_retention__soothing_action') }}
),

due as (
    select * from {{ ref('int_soothing_due') }}
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

-- The month that ends tonight, and the year until then; of other nights there is none.
period as (
    select
        period_kind,
        date_trunc(period_kind, {{ business_date() }})::date as period_start_date
    from unnest(array['month', 'year']) as period_kind
    where {{ is_last_of_month(business_date()) }}
),

acted as (
    select
        period.period_kind,
        count(distinct action.customer_id) filter (where action.result_code = 'saved')
            as saved_count,
        count(distinct action.customer_id) filter (where action.result_code = 'soothed')
            as soothed_count,
        count(distinct action.customer_id) filter (where action.compensation_amount > 0)
            as compensated_count,
        sum(action.compensation_amount) as compensation_amount
    from period
    inner join action on {{ start_of('period.period_start_date') }} <= action.acted_at
    group by period.period_kind
),

-- Whoever was to be soothed and was reached, beside whoever was not: by the first order.
customer_due as (
    select
        period.period_kind,
        due.customer_id,
        min(due.opened_date) as opened_date
    from period
    inner join due on period.period_start_date <= due.opened_date
    where due.opened_date <= {{ business_date() }}
    group by period.period_kind, due.customer_id
),

customer_judged as (
    select
        customer_due.period_kind,
        exists(
            select action.action_id from action
            where
                action.customer_id = customer_due.customer_id
                and action.result_code <> 'unreachable'
                and action.acted_at >= {{ start_of('customer_due.opened_date') }}
        ) as is_treated,
        not exists (
            select subscription.subscription_id from subscription
            where subscription.customer_id = customer_due.customer_id
        ) as has_left
    from customer_due
),

compared as (
    select
        period_kind,
        count(*) filter (where is_treated) as treated_count,
        count(*) filter (where is_treated and has_left) as treated_left_count,
        count(*) filter (where not is_treated) as untreated_count,
        count(*) filter (where not is_treated and has_left) as untreated_left_count
    from customer_judged
    group by period_kind
),

final as (
    select
        {{ business_date() }} as business_date,
        period_kind,
        period.period_start_date,
        coalesce(acted.saved_count, 0)::integer as saved_count,
        coalesce(acted.soothed_count, 0)::integer as soothed_count,
        coalesce(acted.compensated_count, 0)::integer as compensated_count,
        coalesce(acted.compensation_amount, 0) as compensation_amount,
        coalesce(compared.treated_count, 0)::integer as treated_count,
        coalesce(compared.treated_left_count, 0)::integer as treated_left_count,
        coalesce(compared.untreated_count, 0)::integer as untreated_count,
        coalesce(compared.untreated_left_count, 0)::integer as untreated_left_count
    from period
    left join acted using (period_kind)
    left join compared using (period_kind)
)

select * from final
