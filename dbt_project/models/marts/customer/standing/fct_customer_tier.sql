-- Incremental: a night writes only the tiers that end or begin, not those of a million customers.
{{ config(
    materialized='incremental',
    incremental_strategy='change_validity',
    unique_key=['customer_id', 'scheme_code', 'valid_from'],
    meta={'reads_itself': true},
) }}

with profiled as (
    select * from {{ ref('int_customer_tier_profiled') }}
),

assigned as (
    select * from {{ ref('int_tier_profile_assigned') }}
),

standing as (
    {{ standing_periods({
        'customer_id': 'text',
        'scheme_code': 'text',
        'tier_code': 'text',
        'measured_value': 'numeric',
        'valid_from': 'date',
    }) }}
),

customer_assigned as (
    select
        profiled.*,
        assigned.scheme_code,
        assigned.tier_code,
        assigned.measure
    from profiled
    inner join assigned on profiled.profile_key = assigned.profile_key
),

changed as (
    select
        customer_id,
        scheme_code,
        standing.tier_code as ended_tier_code,
        standing.measured_value as ended_value,
        standing.valid_from as ended_valid_from,
        customer_assigned.tier_code as begun_tier_code,
        {{ tier_measure('customer_assigned.measure', 'customer_assigned') }} as begun_value
    from customer_assigned
    full outer join standing using (customer_id, scheme_code)
    where customer_assigned.tier_code is distinct from standing.tier_code
),

final as (
    select
        customer_id,
        scheme_code,
        ended_tier_code as tier_code,
        ended_value as measured_value,
        ended_valid_from as valid_from,
        {{ business_date() }} as valid_to
    from changed
    where ended_valid_from is not null
    union all
    select
        customer_id,
        scheme_code,
        begun_tier_code as tier_code,
        begun_value as measured_value,
        {{ business_date() }} as valid_from,
        null::date as valid_to
    from changed
    where begun_tier_code is not null
)

select * from final
