with as_of as (
    {{ as_of_dates() }}
),

signal_daily as (
    select * from {{ ref('int_customer_signals_daily') }}
),

signal as (
    select * from {{ ref('sensitivity_signal') }}
),

kind as (
    select * from {{ ref('sensitivity_kind') }}
),

weight as (
    {{ faded_signal_weights('as_of') }}
),

customer_summed as (
    select
        weight.as_of_date,
        signal_daily.customer_id,
        sum(signal_daily.contact_count * weight.faded_weight) filter (
            where weight.sensitivity_kind = 'complaint'
        ) as complaint_points,
        sum(signal_daily.contact_count * weight.faded_weight) filter (
            where weight.sensitivity_kind = 'fee'
        ) as fee_points
    from signal_daily
    inner join weight
        on
            signal_daily.contacted_date = weight.contacted_date
            and signal_daily.signal_code = weight.signal_code
    group by weight.as_of_date, signal_daily.customer_id
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
