with interpreted as (
    select * from {{ ref('int_customer_interpreted') }}
),

value_added as (
    select * from {{ ref('int_value_added_latest') }}
    where as_of_date = {{ business_date() }} and is_held
),

subscriptions_counted as (
    select * from {{ ref('int_customer_subscriptions_counted') }}
    where as_of_date = {{ business_date() }}
),

suitable_service as (
    select * from {{ ref('suitable_service') }}
),

service_in_force as (
    select * from suitable_service
    where {{ in_force(business_date(), 'suitable_service') }}
),

-- What the customer is like and holds already, as codes.
customer_coded as (
    select
        customer_id,
        unnest(interpretation_codes) as code
    from interpreted
    union all
    select distinct
        customer_id,
        service_kind as code
    from value_added
    union all
    select
        customer_id,
        'broadband' as code
    from subscriptions_counted
    where broadband_subscription_count > 0
    union all
    select
        customer_id,
        'mobile' as code
    from subscriptions_counted
    where mobile_subscription_count > 0
    union all
    select
        customer_id,
        'fixed_voice' as code
    from subscriptions_counted
    where fixed_voice_subscription_count > 0
),

final as (
    select distinct on (needed.customer_id)
        needed.customer_id,
        {{ business_date() }} as business_date,
        service_in_force.suitable_service_code,
        service_in_force.name_zh as suitable_service_zh,
        service_in_force.name_en as suitable_service_en,
        service_in_force.reason_zh as suitable_service_reason_zh,
        service_in_force.reason_en as suitable_service_reason_en,
        service_in_force.is_paid_offer
    from customer_coded as needed
    inner join service_in_force on needed.code = service_in_force.needed_code
    left join customer_coded as excluded
        on
            needed.customer_id = excluded.customer_id
            and service_in_force.excluded_code = excluded.code
    where excluded.customer_id is null
    order by
        needed.customer_id asc,
        service_in_force.priority asc,
        service_in_force.suitable_service_code asc
)

select * from final
