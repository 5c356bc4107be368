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
    {{ faded_points('as_of') }}
),

customer_summed as (
    select
        faded.as_of_date,
        signal_daily.customer_id,
        (
            sum(signal_daily.contact_count * faded.points)
            filter (where faded.sensitivity_kind = 'complaint')
        ) as complaint_points,
        (
            sum(signal_daily.contact_count * faded.points)
            filter (where faded.sensitivity_kind = 'fee')
        ) as fee_points
    from signal_daily
    inner join faded
        on
            signal_daily.signal_code = faded.signal_code
            and signal_daily.contacted_date = faded.contacted_date
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
