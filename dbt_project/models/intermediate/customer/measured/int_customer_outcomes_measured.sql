-- Read once a month, by int_sensitivity_outcomes_counted: storing it would only cost time.
{{ config(materialized='view') }}

with signal_daily as (
    select * from {{ ref('int_customer_signals_daily') }}
),

signal as (
    select * from {{ ref('sensitivity_signal') }}
),

kind as (
    select * from {{ ref('sensitivity_kind') }}
),

subscription as (
    select * from {{ ref('int_subscription_dated') }}
    where as_of_date = {{ business_date() }}
),

month_before as (
    select
        (date_trunc('month', {{ business_date() }}) - interval '1 month')::date
            as calibration_month,
        (date_trunc('month', {{ business_date() }}) - interval '1 month')::date - 1 as as_of_date
),

-- Worked out once: an array is otherwise made for each contact.
faded as materialized (
    {{ faded_points('month_before') }}
),

customer_points as (
    select
        faded.sensitivity_kind,
        signal_daily.customer_id,
        round(sum({{ faded_micropoints() }}) / 1000000, 2) as points
    from signal_daily
    inner join faded on {{ is_fading() }}
    group by faded.sensitivity_kind, signal_daily.customer_id
),

customer_outcome as (
    select distinct
        signal.sensitivity_kind,
        signal_daily.customer_id
    from signal_daily
    inner join signal on signal_daily.signal_code = signal.signal_code and signal.is_outcome
    inner join month_before
        on
            signal_daily.contacted_date >= month_before.calibration_month
            and signal_daily.contacted_date
            < month_before.calibration_month + interval '1 month'
),

-- Whoever left within the month was a customer at its start: those who leave complain most.
customer as (
    select distinct
        month_before.calibration_month,
        subscription.customer_id
    from subscription
    cross join month_before
    where {{ is_held_at(end_of('month_before.as_of_date'), 'subscription') }}
),

final as (
    select
        customer.calibration_month,
        kind.sensitivity_kind,
        customer.customer_id,
        coalesce(customer_points.points, 0) as points,
        customer_outcome.customer_id is not null as has_outcome
    from customer
    cross join kind
    left join customer_points
        on
            kind.sensitivity_kind = customer_points.sensitivity_kind
            and customer.customer_id = customer_points.customer_id
    left join customer_outcome
        on
            kind.sensitivity_kind = customer_outcome.sensitivity_kind
            and customer.customer_id = customer_outcome.customer_id
)

select * from final
