with service_order as (
    select * from {{ ref('stg_service_order__service_order') }}
    where {{ is_service_order_open() }}
),

final as (
    select
        subscription_id,
        count(*)::integer as open_order_count,
        (
            count(*) filter (
                where
                delay_cause = 'no_resource'
                or (no_resource_raised_at is not null and no_resource_answered_at is null)
            )
        )::integer as resource_delay_order_count,
        (count(*) filter (where delay_cause = 'line_construction'))::integer
            as construction_delay_order_count
    from service_order
    group by subscription_id
)

select * from final
