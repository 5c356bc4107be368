-- A view: read once, by int_customer_hopping_counted.
{{ config(materialized='view') }}

with recursive parameter as (
    select * from {{ ref('value_parameter') }}
    where parameter_name = 'same_person_match_probability'
),

customer_link as (
    select * from {{ ref('stg_crm__customer_link') }}
    where as_of_date = {{ business_date() }} and link_kind = 'same_person'
),

link as (
    select
        customer_link.customer_id,
        customer_link.linked_customer_id
    from customer_link
    inner join parameter
        on
            customer_link.match_probability >= parameter.parameter_value
            and {{ in_force(business_date(), 'parameter') }}
    where
        customer_link.linked_at < {{ end_of(business_date()) }}
        and (
            customer_link.unlinked_at is null
            or customer_link.unlinked_at >= {{ end_of(business_date()) }}
        )
),

-- From a record to those before it; a record that is met again ends the way.
reached as (
    select
        link.customer_id,
        link.linked_customer_id as earlier_customer_id
    from link
    union
    select
        reached.customer_id,
        link.linked_customer_id as earlier_customer_id
    from reached
    inner join link on reached.earlier_customer_id = link.customer_id
),

-- The first record stands for the person: the one that no link leads on from. Of a circle, which
-- has none, the smallest number does.
final as (
    select
        {{ business_date() }} as business_date,
        reached.customer_id,
        coalesce(
            min(reached.earlier_customer_id) filter (where link.customer_id is null),
            least(min(reached.earlier_customer_id), reached.customer_id)
        ) as person_customer_id
    from reached
    left join link on reached.earlier_customer_id = link.customer_id
    group by reached.customer_id
)

select * from final
