-- A month is calibrated once and then kept: scores of past nights rest on it.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_dates',
    unique_key='calibrated_date',
) }}

with counted as (
    select * from {{ ref('int_sensitivity_outcomes_counted') }}
    where counted_date = {{ business_date() }}
),

kind as (
    select * from {{ ref('sensitivity_kind') }}
),

month_counted as (
    select
        counted.*,
        kind.smoothing_customer_count,
        kind.minimum_outcome_count,
        sum(counted.customer_count) over same_month as month_customer_count,
        sum(counted.outcome_count) over same_month as month_outcome_count,
        sum(counted.customer_count * counted.prior_rate) over same_month as month_prior_count
    from counted
    inner join kind on counted.sensitivity_kind = kind.sensitivity_kind
    window same_month as (partition by counted.calibration_month, counted.sensitivity_kind)
),

-- Too few outcomes teach nothing. What is expected of a bin is its prior rate, scaled so that all
-- bins together give the overall rate.
smoothed as (
    select
        *,
        customer_count + smoothing_customer_count as smoothed_count,
        outcome_count
        + smoothing_customer_count
        * least(prior_rate * month_outcome_count / month_prior_count, 1) as smoothed_outcome_count
    from month_counted
    where month_outcome_count >= minimum_outcome_count
),

-- Bins pooled from each first to each last.
pooled as (
    select
        first_bin.calibration_month,
        first_bin.sensitivity_kind,
        first_bin.bin_number as first_number,
        last_bin.bin_number as last_number,
        sum(within.smoothed_outcome_count) / sum(within.smoothed_count) as pooled_rate
    from smoothed as first_bin
    inner join smoothed as last_bin
        on
            first_bin.calibration_month = last_bin.calibration_month
            and first_bin.sensitivity_kind = last_bin.sensitivity_kind
            and first_bin.bin_number <= last_bin.bin_number
    inner join smoothed as within
        on
            first_bin.calibration_month = within.calibration_month
            and first_bin.sensitivity_kind = within.sensitivity_kind
            and within.bin_number between first_bin.bin_number and last_bin.bin_number
    group by
        first_bin.calibration_month,
        first_bin.sensitivity_kind,
        first_bin.bin_number,
        last_bin.bin_number
),

-- The nearest rates that never fall from bin to bin (isotonic regression by its max-min formula):
-- of each beginning the lowest pooled rate that covers the bin, and of these the highest.
lowest as (
    select
        smoothed.calibration_month,
        smoothed.sensitivity_kind,
        smoothed.bin_number,
        pooled.first_number,
        min(pooled.pooled_rate) as lowest_rate
    from smoothed
    inner join pooled
        on
            smoothed.calibration_month = pooled.calibration_month
            and smoothed.sensitivity_kind = pooled.sensitivity_kind
            and smoothed.bin_number between pooled.first_number and pooled.last_number
    group by
        smoothed.calibration_month,
        smoothed.sensitivity_kind,
        smoothed.bin_number,
        pooled.first_number
),

monotone as (
    select
        calibration_month,
        sensitivity_kind,
        bin_number,
        max(lowest_rate) as calibrated_rate
    from lowest
    group by calibration_month, sensitivity_kind, bin_number
),

final as (
    select
        smoothed.calibration_month,
        smoothed.sensitivity_kind,
        smoothed.bin_number,
        smoothed.minimum_points,
        smoothed.customer_count,
        smoothed.outcome_count,
        round(smoothed.month_outcome_count / smoothed.month_customer_count::numeric, 6)
            as overall_rate,
        round(smoothed.smoothed_outcome_count / smoothed.smoothed_count, 6) as smoothed_rate,
        round(monotone.calibrated_rate, 6) as calibrated_rate,
        smoothed.counted_date as calibrated_date
    from smoothed
    inner join monotone using (calibration_month, sensitivity_kind, bin_number)
)

select * from final
