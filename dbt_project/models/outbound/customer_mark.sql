{{ config(schema='marts') }}

with membership as (
    select * from {{ ref('fct_list_membership') }}
    where list_scheme = 'colour'
),

rule as (
    select * from {{ ref('list_rule') }}
    where list_scheme = 'colour'
),

instruction as (
    select * from {{ ref('workstation_mark') }}
),

membership_in_force as (
    select * from membership
    where {{ in_force(business_date(), 'membership') }}
),

instruction_in_force as (
    select * from instruction
    where {{ in_force(business_date(), 'instruction') }}
),

reason as (
    select distinct
        list_code,
        reason_code,
        reason_zh
    from rule
),

-- A reason that rules or staff gave is told whichever of them is older.
mark as (
    select
        membership_in_force.customer_id,
        membership_in_force.list_code,
        string_agg(distinct reason.reason_zh, '、' order by reason.reason_zh) as reasons_zh
    from membership_in_force
    inner join reason
        on
            membership_in_force.list_code = reason.list_code
            and membership_in_force.reason_code = reason.reason_code
    group by membership_in_force.customer_id, membership_in_force.list_code
),

final as (
    select
        {{ business_date() }} as business_date,
        instruction_in_force.workstation_code,
        mark.customer_id,
        (array_agg(mark.list_code order by instruction_in_force.precedence))[1] as list_code,
        (array_agg(instruction_in_force.colour_zh order by instruction_in_force.precedence))[1]
            as colour_zh,
        array_agg(mark.list_code order by instruction_in_force.precedence) as list_codes,
        string_agg(mark.reasons_zh, '；' order by instruction_in_force.precedence) as reasons_zh,
        string_agg(
            instruction_in_force.instruction_zh, '；' order by instruction_in_force.precedence
        ) as instructions_zh
    from mark
    inner join instruction_in_force on mark.list_code = instruction_in_force.list_code
    group by instruction_in_force.workstation_code, mark.customer_id
)

select * from final
