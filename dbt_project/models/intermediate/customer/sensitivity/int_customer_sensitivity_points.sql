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

faded as (
    select
        as_of.as_of_date,
        signal_daily.customer_id,
        signal.sensitivity_kind,
        {{ faded_points('as_of.as_of_date') }} as points
    from signal_daily
    cross join as_of
    inner join signal on signal_daily.signal_code = signal.signal_code
    inner join kind on signal.sensitivity_kind = kind.sensitivity_kind
    where {{ counts_for_points('as_of.as_of_date') }}
),

customer_summed as (
    select
        as_of_date,
        customer_id,
        sum(points) filter (where sensitivity_kind = 'complaint') as complaint_points,
        sum(points) filter (where sensitivity_kind = 'fee') as fee_points
    from faded
    group by as_of_date, customer_id
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
