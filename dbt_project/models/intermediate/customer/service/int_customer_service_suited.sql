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

customer_held as (
    select
        customer_id,
        array_agg(distinct service_kind order by service_kind) as service_kinds
    from value_added
    group by customer_id
),

sensitivity as (
    select * from {{ ref('int_customer_sensitivity_scored') }}
    where as_of_date = {{ business_date() }}
),

billing as (
    select * from {{ ref('int_customer_billing_summarised') }}
    where as_of_date = {{ business_date() }}
),

segmented as (
    select * from {{ ref('int_customer_segmented') }}
),

-- What the customer is like and holds already, as codes.
customer_coded as (
    select
        customer_id,
        coalesce(interpreted.interpretation_codes, array[]::text[])
        || coalesce(customer_held.service_kinds, array[]::text[])
        || array_remove(
            array[
                case
                    when subscriptions_counted.broadband_subscription_count > 0 then 'broadband'
                end,
                case when subscriptions_counted.mobile_subscription_count > 0 then 'mobile' end,
                case
                    when subscriptions_counted.fixed_voice_subscription_count > 0
                        then 'fixed_voice'
                end,
                case
                    when
                        sensitivity.fee_sensitivity_band = 'high'
                        or sensitivity.complaint_sensitivity_band = 'high'
                        or billing.account_state = 'suspended'
                        or segmented.is_flea_customer
                        then 'not_to_be_sold_to'
                end
            ],
            null
        ) as codes
    from subscriptions_counted
    full outer join interpreted using (customer_id)
    left join customer_held using (customer_id)
    left join sensitivity using (customer_id)
    left join billing using (customer_id)
    left join segmented using (customer_id)
),

-- A million customers share a few thousand combinations: each is judged once.
combination as (
    select distinct codes
    from customer_coded
),

combination_suited as (
    select distinct on (combination.codes)
        combination.codes,
        service_in_force.*
    from combination
    inner join service_in_force
        on
            service_in_force.needed_code = any(combination.codes)
            and coalesce(service_in_force.excluded_code <> all(combination.codes), true)
            -- Nothing that costs is offered to who is sensitive or owes (BI-09).
            and not (
                service_in_force.is_paid_offer and 'not_to_be_sold_to' = any(combination.codes)
            )
    order by
        combination.codes asc,
        service_in_force.priority asc,
        service_in_force.suitable_service_code asc
),

final as (
    select
        customer_coded.customer_id,
        {{ business_date() }} as business_date,
        combination_suited.suitable_service_code,
        combination_suited.name_zh as suitable_service_zh,
        combination_suited.name_en as suitable_service_en,
        combination_suited.reason_zh as suitable_service_reason_zh,
        combination_suited.reason_en as suitable_service_reason_en,
        combination_suited.is_paid_offer
    from customer_coded
    inner join combination_suited on customer_coded.codes = combination_suited.codes
)

select * from final
