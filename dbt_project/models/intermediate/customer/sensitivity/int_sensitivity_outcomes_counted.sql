-- A month is counted once, on the first night after it; on other nights nothing is due.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_dates',
    unique_key='counted_date',
) }}

with outcome as (
    select * from {{ ref('int_customer_outcomes_measured') }}
),

signal_daily as not materialized (
    select * from {{ ref('int_customer_signals_daily') }}
),

kind as (
    select * from {{ ref('sensitivity_kind') }}
),

bin as (
    select * from {{ ref('sensitivity_bin') }}
),

month_before as (
    select
        (date_trunc('month', {{ business_date() }}) - interval '1 month')::date as calibration_month
),

-- Signals must reach back far enough for the points at the start of the month to mean something.
due as (
    select
        month_before.calibration_month,
        kind.sensitivity_kind
    from month_before
    inner join kind
        on
            month_before.calibration_month - kind.minimum_history_days
            >= (select min(signal_daily.contacted_date) as first_date from signal_daily)
    {%- if is_incremental() %}
        where
            not exists (
                select 1 as one
                from {{ this }} as counted
                where
                    counted.calibration_month = month_before.calibration_month
                    and counted.sensitivity_kind = kind.sensitivity_kind
                    and counted.counted_date <> {{ business_date() }}
            )
    {%- endif %}
),

points_counted as (
    select
        due.calibration_month,
        due.sensitivity_kind,
        outcome.points,
        count(*) as customer_count,
        count(*) filter (where outcome.has_outcome) as outcome_count
    from due
    inner join outcome
        on
            due.calibration_month = outcome.calibration_month
            and due.sensitivity_kind = outcome.sensitivity_kind
    group by due.calibration_month, due.sensitivity_kind, outcome.points
),

bin_in_force as (
    select
        bin.*,
        lead(bin.minimum_points) over (
            partition by bin.sensitivity_kind
            order by bin.minimum_points
        ) as next_minimum_points
    from bin
    inner join month_before on {{ in_force('month_before.calibration_month', 'bin') }}
),

-- A bin without a customer has its row too.
final as (
    select
        due.calibration_month,
        due.sensitivity_kind,
        bin_in_force.bin_number,
        bin_in_force.minimum_points,
        bin_in_force.prior_rate,
        coalesce(sum(points_counted.customer_count), 0)::integer as customer_count,
        coalesce(sum(points_counted.outcome_count), 0)::integer as outcome_count,
        {{ business_date() }} as counted_date
    from due
    inner join bin_in_force on due.sensitivity_kind = bin_in_force.sensitivity_kind
    left join points_counted
        on
            bin_in_force.sensitivity_kind = points_counted.sensitivity_kind
            and bin_in_force.minimum_points <= points_counted.points
            and coalesce(bin_in_force.next_minimum_points > points_counted.points, true)
    group by
        due.calibration_month,
        due.sensitivity_kind,
        bin_in_force.bin_number,
        bin_in_force.minimum_points,
        bin_in_force.prior_rate
)

select * from final
