with subscriptions_counted as (
    select * from {{ ref('int_customer_subscriptions_counted') }}
),

customer as (
    select * from {{ ref('int_customer_dated') }}
),

billing as (
    select * from {{ ref('int_customer_billing_summarised') }}
),

credit as (
    select * from {{ ref('int_customer_credit_scored') }}
),

value_weight as (
    select * from {{ ref('value_weight') }}
),

value_cut as (
    select * from {{ ref('value_cut') }}
),

cut as (
    {{ listed_cuts('value_cut') }}
),

weight_listed as (
    select
        as_of.as_of_date,
        max(value_weight.weight) filter (where value_weight.component = 'arpu_amount')
            as arpu_weight,
        max(value_weight.weight) filter (where value_weight.component = 'tenure_days')
            as tenure_weight,
        max(value_weight.weight) filter (where value_weight.component = 'credit_score')
            as credit_weight
    from ({{ as_of_dates() }}) as as_of
    inner join value_weight on {{ in_force('as_of.as_of_date', 'value_weight') }}
    group by as_of.as_of_date
),

-- Before the first bill the rent stands in for it: a new customer is worth something at once.
customer_measured as (
    select
        as_of_date,
        customer_id,
        coalesce(billing.arpu_amount, subscriptions_counted.monthly_rent_amount) as arpu_amount,
        coalesce(customer.tenure_days, subscriptions_counted.oldest_subscription_days)::numeric
            as tenure_days,
        credit.credit_score
    from subscriptions_counted
    left join customer using (as_of_date, customer_id)
    left join billing using (as_of_date, customer_id)
    left join credit using (as_of_date, customer_id)
),

customer_pointed as (
    select
        customer_measured.as_of_date,
        customer_measured.customer_id,
        {{ points_of('customer_measured.arpu_amount', 'arpu_cut') }} as arpu_points,
        {{ points_of('customer_measured.tenure_days', 'tenure_cut') }} as tenure_points,
        {{ points_of('customer_measured.credit_score', 'credit_cut') }} as credit_points
    from customer_measured
    left join cut as arpu_cut
        on
            customer_measured.as_of_date = arpu_cut.as_of_date
            and arpu_cut.component = 'arpu_amount'
    left join cut as tenure_cut
        on
            customer_measured.as_of_date = tenure_cut.as_of_date
            and tenure_cut.component = 'tenure_days'
    left join cut as credit_cut
        on
            customer_measured.as_of_date = credit_cut.as_of_date
            and credit_cut.component = 'credit_score'
),

final as (
    select
        customer_pointed.as_of_date,
        customer_pointed.customer_id,
        round(
            (
                customer_pointed.arpu_points * weight_listed.arpu_weight
                + customer_pointed.tenure_points * weight_listed.tenure_weight
                + customer_pointed.credit_points * weight_listed.credit_weight
            )
            / (
                weight_listed.arpu_weight + weight_listed.tenure_weight
                + weight_listed.credit_weight
            ),
            1
        ) as value_score,
        customer_pointed.arpu_points,
        customer_pointed.tenure_points,
        customer_pointed.credit_points
    from customer_pointed
    left join weight_listed on customer_pointed.as_of_date = weight_listed.as_of_date
)

select * from final
