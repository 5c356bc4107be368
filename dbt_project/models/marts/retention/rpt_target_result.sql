{{ config(unique_key='business_date') }}

with target as (
    select * from {{ ref('stg_retention__target') }}
    where
        as_of_date = {{ business_date() }}
        and target_month = date_trunc('month', {{ business_date() }})
        and due_date >= {{ business_date() }}
        and issued_at < {{ end_of(business_date()) }}
),

measured as (
    select * from {{ ref('int_target_metric_measured') }}
),

summed as (
    select
        target.target_id,
        sum(measured.numerator) as numerator,
        sum(measured.denominator) as denominator
    from target
    inner join measured
        on
            target.metric_code = measured.metric_code
            and measured.department in (target.department, 'any')
            and coalesce(target.region = measured.region, true)
            and coalesce(target.county = measured.county, true)
    group by target.target_id
),

-- A rate of nothing is not known; a count of nothing is 0.
valued as (
    select
        target.*,
        case
            when target.metric_code in ('saved_count', 'soothed_count')
                then coalesce(summed.numerator, 0)
            else round(100.0 * summed.numerator / nullif(summed.denominator, 0), 2)
        end as reached_value
    from target
    left join summed on target.target_id = summed.target_id
),

final as (
    select
        {{ business_date() }} as business_date,
        target_id,
        target_month,
        department,
        region,
        county,
        metric_code,
        comparison,
        target_value,
        reached_value,
        case comparison
            when 'at_least' then reached_value >= target_value
            else reached_value <= target_value
        end as is_kept,
        due_date,
        owner_staff_id
    from valued
)

select * from final
