with subscription as (
    select * from {{ ref('int_subscription_active') }}
),

final as (
    select
        as_of_date,
        customer_id,
        count(*)::integer as active_subscription_count,
        (count(*) filter (where product_type = 'broadband'))::integer
            as broadband_subscription_count,
        (count(*) filter (where product_type = 'mobile'))::integer as mobile_subscription_count,
        (count(*) filter (where product_type = 'fixed_voice'))::integer
            as fixed_voice_subscription_count,
        sum(monthly_rent_amount) as monthly_rent_amount,
        -- Of several lines of a kind, the one with the highest rent.
        (
            array_agg(plan_name order by monthly_rent_amount desc nulls last, subscription_id asc)
            filter (where product_type = 'broadband')
        )[1] as broadband_plan_name,
        (
            array_agg(plan_name order by monthly_rent_amount desc nulls last, subscription_id asc)
            filter (where product_type = 'mobile')
        )[1] as mobile_plan_name,
        max(bandwidth_mbps) filter (where product_type = 'broadband') as bandwidth_mbps,
        -- The contract that ends first is the first occasion to leave.
        min(contract_end_date) - as_of_date as contract_remaining_days,
        as_of_date - min({{ local_date('activated_at') }}) as oldest_subscription_days,
        as_of_date - max({{ local_date('activated_at') }}) as newest_subscription_days
    from subscription
    group by as_of_date, customer_id
)

select * from final
