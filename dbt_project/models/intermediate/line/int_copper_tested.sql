with as_of as (
    {{ as_of_dates() }}
),

test as (
    select * from {{ ref('stg_line__copper_test') }}
),

-- Every line is tested weekly: a test that is a month old says nothing of today. A test that is
-- delivered again has been corrected: the newest delivery holds.
final as (
    select distinct on (as_of.as_of_date, test.subscription_id)
        as_of.as_of_date,
        test.subscription_id,
        test.has_loose_joint,
        test.has_high_energy_noise,
        test.has_line_imbalance,
        (
            test.has_loose_joint::integer
            + test.has_high_energy_noise::integer
            + test.has_line_imbalance::integer
        ) as hazard_count,
        test.noise_margin_db,
        test.attainable_rate_mbps,
        test.tested_at
    from as_of
    inner join test
        on
            test.tested_at < {{ end_of('as_of.as_of_date') }}
            and {{ window_start('as_of.as_of_date', "interval '30 days'") }} <= test.tested_at
    order by
        as_of.as_of_date asc,
        test.subscription_id asc,
        test.tested_at desc,
        test.delivered_date desc,
        test.extract_load_id desc
)

select * from final
