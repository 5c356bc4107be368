with customer as (
    select * from {{ ref('int_customer_dated') }}
    where as_of_date = {{ business_date() }} and contact_phone is not null
),

do_not_call as (
    select * from {{ ref('stg_crm__do_not_call') }}
    where as_of_date = {{ business_date() }}
),

call_attempt as (
    select * from {{ ref('stg_dialer__call_attempt') }}
    where outcome_code = 'do_not_call'
),

call_task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

-- Who said so to an agent, whatever the CRM knows of it by now.
asked_on_call as (
    select call_task.customer_id
    from call_attempt
    inner join call_task on call_attempt.call_task_id = call_task.call_task_id
),

-- Who shares the number of somebody who must not be called must not be called on it either. A block
-- that ends with the business date is kept a day longer than it has to be.
number_blocked as (
    select
        contact_phone as phone_number,
        'all' as block_scope
    from customer
    where
        is_do_not_call
        or customer_id in (select asked_on_call.customer_id from asked_on_call)
    union all
    select
        phone_number,
        block_scope
    from do_not_call
    where
        registered_at < {{ end_of(business_date()) }}
        and (expiry_date is null or expiry_date >= {{ business_date() }})
),

number_scoped as (
    select
        phone_number,
        bool_or(block_scope = 'all') as is_blocked
    from number_blocked
    group by phone_number
),

final as (
    select
        {{ business_date() }} as business_date,
        customer.customer_id,
        number_scoped.is_blocked
    from customer
    inner join number_scoped on customer.contact_phone = number_scoped.phone_number
)

select * from final
