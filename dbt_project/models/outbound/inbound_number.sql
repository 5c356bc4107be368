-- A key instead of the number: sources may write it in many ways, and nobody needs to read it here.
with secret as (
    select * from {{ source('ops', 'secret') }}
    where secret_name = 'phone_key'
),

customer as (
    select * from {{ ref('int_customer_dated') }}
    where as_of_date = {{ business_date() }}
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

known_number as (
    select
        customer_id,
        contact_phone as phone_number,
        'contact' as number_kind
    from customer
    where contact_phone is not null
    union all
    select
        customer_id,
        service_number as phone_number,
        'service' as number_kind
    from subscription
    where service_number ~ '\d{7}'
),

keyed_number as (
    select
        ops.phone_key(known_number.phone_number, secret.secret_value) as phone_key,
        known_number.customer_id,
        known_number.number_kind
    from known_number
    cross join secret
),

-- The number of a line of his own says more than one that he left for calls.
final as (
    select
        phone_key,
        customer_id,
        max(number_kind) as number_kind
    from keyed_number
    group by phone_key, customer_id
)

select * from final
