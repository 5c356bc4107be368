-- Derived memberships are history: a night writes what begins and what ends. Imported ones have the
-- periods that the CRM states and are taken over anew.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_validity',
    unique_key=['customer_id', 'list_scheme', 'list_code'],
) }}

with membership as (
    select * from {{ ref('stg_crm__list_membership') }}
    where as_of_date = {{ business_date() }}
),

measured as (
    select * from {{ ref('int_customer_list_measured') }}
),

rule as (
    select * from {{ ref('list_rule') }}
    where is_enabled
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

-- Of entries that begin on the same day the one that lasts longest holds.
imported as (
    select distinct on (
        membership.customer_id,
        membership.list_scheme,
        membership.list_code,
        membership.valid_from
    )
        membership.customer_id,
        membership.list_scheme,
        membership.list_code,
        rule_in_force.origin,
        rule_in_force.reason_code,
        membership.valid_from,
        membership.valid_to
    from membership
    inner join rule_in_force
        on
            membership.list_scheme = rule_in_force.list_scheme
            and membership.list_code = rule_in_force.list_code
            and rule_in_force.origin = 'imported'
    where membership.valid_to is null or membership.valid_to > membership.valid_from
    order by
        membership.customer_id asc,
        membership.list_scheme asc,
        membership.list_code asc,
        membership.valid_from asc,
        membership.valid_to desc nulls first
),

imported_in_force as (
    select distinct
        imported.customer_id,
        imported.list_scheme,
        imported.list_code
    from imported
    where {{ in_force(business_date(), 'imported') }}
),

raised as (
    select distinct on (
        measured.customer_id, rule_in_force.list_scheme, rule_in_force.list_code
    )
        measured.customer_id,
        rule_in_force.list_scheme,
        rule_in_force.list_code,
        rule_in_force.origin,
        rule_in_force.reason_code
    from measured
    inner join rule_in_force on measured.measure = rule_in_force.measure
    where
        {{ compares(
            'measured.measured_value', 'rule_in_force.operator', 'rule_in_force.threshold_value'
        ) }}
    order by
        measured.customer_id asc,
        rule_in_force.list_scheme asc,
        rule_in_force.list_code asc,
        rule_in_force.rule_rank asc,
        rule_in_force.reason_code asc
),

-- What people have decided stands before what a rule says.
derived as (
    select
        raised.customer_id,
        raised.list_scheme,
        raised.list_code,
        raised.origin,
        raised.reason_code,
        {{ business_date() }} as valid_from,
        null::date as valid_to
    from raised
    left join imported_in_force using (customer_id, list_scheme, list_code)
    where imported_in_force.customer_id is null
),

final as (
    select * from imported
    union all
    select * from derived
)

select * from final
