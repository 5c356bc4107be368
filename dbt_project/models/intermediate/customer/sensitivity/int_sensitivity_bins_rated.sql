with as_of as (
    {{ as_of_dates() }}
),

kind as (
    select * from {{ ref('sensitivity_kind') }}
),

calibration as (
    select * from {{ ref('fct_sensitivity_calibration') }}
),

bin as (
    select * from {{ ref('sensitivity_bin') }}
),

band as (
    select * from {{ ref('sensitivity_band') }}
),

-- A month is known once it is over.
calibration_latest as (
    select
        as_of.as_of_date,
        kind.sensitivity_kind,
        max(calibration.calibration_month) as calibration_month
    from as_of
    cross join kind
    left join calibration
        on
            kind.sensitivity_kind = calibration.sensitivity_kind
            and as_of.as_of_date >= calibration.calibration_month + interval '1 month'
    group by as_of.as_of_date, kind.sensitivity_kind
),

-- As long as nothing has been measured the prior rates stand in.
bin_rated as (
    select
        calibration_latest.as_of_date,
        calibration_latest.sensitivity_kind,
        calibration_latest.calibration_month,
        calibration.bin_number,
        calibration.minimum_points,
        round(100 * calibration.calibrated_rate, 2) as sensitivity_score
    from calibration_latest
    inner join calibration using (sensitivity_kind, calibration_month)
    union all
    select
        calibration_latest.as_of_date,
        calibration_latest.sensitivity_kind,
        calibration_latest.calibration_month,
        bin.bin_number,
        bin.minimum_points,
        round(100 * bin.prior_rate, 2) as sensitivity_score
    from calibration_latest
    inner join bin
        on
            calibration_latest.sensitivity_kind = bin.sensitivity_kind
            and calibration_latest.calibration_month is null
            and {{ in_force('calibration_latest.as_of_date', 'bin') }}
),

-- The highest band that is reached holds.
final as (
    select distinct on (bin_rated.as_of_date, bin_rated.sensitivity_kind, bin_rated.bin_number)
        bin_rated.as_of_date,
        bin_rated.sensitivity_kind,
        bin_rated.bin_number,
        bin_rated.minimum_points,
        bin_rated.sensitivity_score,
        band.band_code,
        bin_rated.calibration_month
    from bin_rated
    inner join band
        on
            bin_rated.sensitivity_kind = band.sensitivity_kind
            and {{ in_force('bin_rated.as_of_date', 'band') }}
            and {{ compares('bin_rated.sensitivity_score', 'band.operator', 'band.minimum_score') }}
    order by
        bin_rated.as_of_date asc,
        bin_rated.sensitivity_kind asc,
        bin_rated.bin_number asc,
        band.band_rank desc
)

select * from final
