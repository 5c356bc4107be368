with measured as (
    select * from {{ ref('int_customer_credit_measured') }}
),

credit_weight as (
    select * from {{ ref('credit_weight') }}
),

credit_band as (
    select * from {{ ref('credit_band') }}
),

cut as (
    {{ listed_cuts('credit_weight') }}
),

band_listed as (
    select
        as_of.as_of_date,
        array_agg(credit_band.from_value order by credit_band.from_value) as from_values,
        array_agg(credit_band.credit_band order by credit_band.from_value) as credit_bands
    from ({{ as_of_dates() }}) as as_of
    inner join credit_band on {{ in_force('as_of.as_of_date', 'credit_band') }}
    group by as_of.as_of_date
),

customer_pointed as (
    select
        measured.as_of_date,
        measured.customer_id,
        {{ points_of('measured.late_payment_share', 'late_cut') }} as late_payment_points,
        {{ points_of('measured.overdue_month_count', 'overdue_cut') }} as overdue_points,
        {{ points_of('measured.arrears_suspension_count', 'suspension_cut') }}
            as arrears_suspension_points,
        {{ points_of('measured.tenure_days', 'tenure_cut') }} as tenure_points,
        {{ points_of('measured.is_auto_pay', 'auto_pay_cut') }} as auto_pay_points
    from measured
    left join cut as late_cut
        on
            measured.as_of_date = late_cut.as_of_date
            and late_cut.component = 'late_payment_share'
    left join cut as overdue_cut
        on
            measured.as_of_date = overdue_cut.as_of_date
            and overdue_cut.component = 'overdue_month_count'
    left join cut as suspension_cut
        on
            measured.as_of_date = suspension_cut.as_of_date
            and suspension_cut.component = 'arrears_suspension_count'
    left join cut as tenure_cut
        on
            measured.as_of_date = tenure_cut.as_of_date
            and tenure_cut.component = 'tenure_days'
    left join cut as auto_pay_cut
        on
            measured.as_of_date = auto_pay_cut.as_of_date
            and auto_pay_cut.component = 'is_auto_pay'
),

customer_scored as (
    select
        customer_pointed.*,
        customer_pointed.late_payment_points
        + customer_pointed.overdue_points
        + customer_pointed.arrears_suspension_points
        + customer_pointed.tenure_points
        + customer_pointed.auto_pay_points as credit_score
    from customer_pointed
),

final as (
    select
        customer_scored.as_of_date,
        customer_scored.customer_id,
        band_listed.credit_bands[
            width_bucket(customer_scored.credit_score, band_listed.from_values)
        ] as credit_band,
        customer_scored.credit_score,
        customer_scored.late_payment_points,
        customer_scored.overdue_points,
        customer_scored.arrears_suspension_points,
        customer_scored.tenure_points,
        customer_scored.auto_pay_points
    from customer_scored
    left join band_listed on customer_scored.as_of_date = band_listed.as_of_date
)

select * from final
