with subscription as (
    select * from {{ ref('int_subscription_active') }}
),

reading as (
    select * from {{ ref('int_optical_latest') }}
),

-- Of several lines, the worst one is what the customer feels.
final as (
    select
        subscription.as_of_date,
        subscription.customer_id,
        max(reading.optical_loss_db) as optical_loss_db,
        max(reading.measured_at) as optical_measured_at
    from subscription
    inner join reading
        on
            subscription.as_of_date = reading.as_of_date
            and subscription.subscription_id = reading.subscription_id
    group by subscription.as_of_date, subscription.customer_id
)

select * from final
