with as_of as (
    {{ as_of_dates() }}
),

signal_daily as (
    select * from {{ ref('int_customer_signals_daily') }}
    where contacted_date > ({{ earliest_as_of_date() }} - interval '13 months')::date
),

signal as (
    select * from {{ ref('sensitivity_signal') }}
),

kind as (
    select * from {{ ref('sensitivity_kind') }}
),

-- Worked out once: an array is otherwise made for each contact.
faded as materialized (
    {{ faded_points('as_of') }}
),

customer_summed as (
    select
        faded.as_of_date,
        signal_daily.customer_id,
        (sum({{ faded_micropoints() }}) filter (where faded.sensitivity_kind = 'complaint'))
        / 1000000 as complaint_points,
        (sum({{ faded_micropoints() }}) filter (where faded.sensitivity_kind = 'fee'))
        / 1000000 as fee_points
    from signal_daily
    inner join faded on {{ is_fading() }}
    group by faded.as_of_date, signal_daily.customer_id
),

final as (
    select
        as_of_date,
        customer_id,
        round(coalesce(complaint_points, 0), 2) as complaint_points,
        round(coalesce(fee_points, 0), 2) as fee_points
    from customer_summed
)

select * from final
