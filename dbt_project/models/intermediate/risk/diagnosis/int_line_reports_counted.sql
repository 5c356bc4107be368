with ticket as (
    select * from {{ ref('int_tickets_timed') }}
    where is_fault
),

recent as (
    select
        *,
        reported_at >= {{ window_start(business_date(), "interval '30 days'") }} as is_of_30d,
        reported_at >= {{ window_start(business_date(), "interval '90 days'") }} as is_of_90d
    from ticket
    where
        closed_at is null
        or reported_at >= {{ window_start(business_date(), "interval '12 months'") }}
),

-- Counted by category first, since the same fault again and again has one root.
by_category as (
    select
        subscription_id,
        fault_category,
        count(*) filter (where is_of_30d) as report_count_30d,
        count(*) filter (where is_of_90d) as report_count_90d,
        count(*) filter (
            where
            is_operator_cause
            and reported_at >= {{ window_start(business_date(), "interval '12 months'") }}
        ) as operator_cause_count_12m,
        min(reported_at) filter (where closed_at is null) as oldest_open_at
    from recent
    group by subscription_id, fault_category
),

-- Of the reports of thirty days the first is no repetition.
final as (
    select
        subscription_id,
        greatest(sum(report_count_30d) - 1, 0)::integer as repeat_report_count_30d,
        (max(report_count_90d) filter (where fault_category is not null))::integer
            as same_category_count_90d,
        sum(operator_cause_count_12m)::integer as operator_cause_count_12m,
        extract(epoch from {{ end_of(business_date()) }} - min(oldest_open_at)) / 86400
            as open_fault_days
    from by_category
    group by subscription_id
)

select * from final
