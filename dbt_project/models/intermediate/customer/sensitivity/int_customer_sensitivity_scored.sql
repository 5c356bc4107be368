with subscriptions as (
    select * from {{ ref('int_customer_subscriptions_counted') }}
),

points as (
    select * from {{ ref('int_customer_sensitivity_points') }}
),

bin as (
    select * from {{ ref('int_sensitivity_bins_rated') }}
),

-- The limits as an array: one binary search per customer instead of a comparison with every bin.
bin_arrays as (
    select
        as_of_date,
        sensitivity_kind,
        array_agg(minimum_points order by minimum_points) as limits,
        array_agg(bin_number order by minimum_points) as numbers
    from bin
    group by as_of_date, sensitivity_kind
),

customer_binned as (
    select
        subscriptions.as_of_date,
        subscriptions.customer_id,
        complaint.numbers[width_bucket(coalesce(points.complaint_points, 0), complaint.limits)]
            as complaint_bin,
        fee.numbers[width_bucket(coalesce(points.fee_points, 0), fee.limits)] as fee_bin
    from subscriptions
    inner join bin_arrays as complaint
        on
            subscriptions.as_of_date = complaint.as_of_date
            and complaint.sensitivity_kind = 'complaint'
    inner join bin_arrays as fee
        on
            subscriptions.as_of_date = fee.as_of_date
            and fee.sensitivity_kind = 'fee'
    left join points
        on
            subscriptions.as_of_date = points.as_of_date
            and subscriptions.customer_id = points.customer_id
),

bins_combined as (
    select
        as_of_date,
        complaint_bin,
        fee_bin,
        count(*) as customer_count
    from customer_binned
    group by as_of_date, complaint_bin, fee_bin
),

bin_counted as (
    select
        as_of_date,
        'complaint' as sensitivity_kind,
        complaint_bin as bin_number,
        sum(customer_count) as customer_count
    from bins_combined
    group by as_of_date, complaint_bin
    union all
    select
        as_of_date,
        'fee' as sensitivity_kind,
        fee_bin as bin_number,
        sum(customer_count) as customer_count
    from bins_combined
    group by as_of_date, fee_bin
),

-- Percent rank of a score: the share of the other customers whose score is lower.
bin_ranked as (
    select
        bin.*,
        round(
            100 * coalesce(sum(bin_counted.customer_count) over lower_scores, 0)
            / greatest(sum(bin_counted.customer_count) over same_kind - 1, 1),
            2
        ) as score_percentile
    from bin
    inner join bin_counted using (as_of_date, sensitivity_kind, bin_number)
    window
        same_kind as (partition by as_of_date, sensitivity_kind),
        lower_scores as (
            same_kind order by bin.sensitivity_score
            groups between unbounded preceding and 1 preceding
        )
),

final as (
    select
        customer_binned.as_of_date,
        customer_binned.customer_id,
        complaint.sensitivity_score as complaint_sensitivity_score,
        complaint.band_code as complaint_sensitivity_band,
        complaint.score_percentile as complaint_sensitivity_percentile,
        fee.sensitivity_score as fee_sensitivity_score,
        fee.band_code as fee_sensitivity_band,
        fee.score_percentile as fee_sensitivity_percentile
    from customer_binned
    inner join bin_ranked as complaint
        on
            customer_binned.as_of_date = complaint.as_of_date
            and customer_binned.complaint_bin = complaint.bin_number
            and complaint.sensitivity_kind = 'complaint'
    inner join bin_ranked as fee
        on
            customer_binned.as_of_date = fee.as_of_date
            and customer_binned.fee_bin = fee.bin_number
            and fee.sensitivity_kind = 'fee'
)

select * from final
