{{ config(severity='warn') }}

-- depends_on: {{ ref('customer_360') }}
-- A group that asks what the view no longer tells has no members.
with newest as (
    select distinct on (group_code) *
    from marts.retention_group
    where saved_at < {{ end_of(business_date()) }}
    order by group_code asc, group_version desc
),

judged as (
    select
        newest.group_code,
        condition.condition_number,
        marts.group_condition_problem(
            condition.column_name, condition.operator, condition.operands
        ) as problem
    from newest
    inner join marts.retention_group_condition as condition using (group_code, group_version)
    where not newest.is_ended
)

select * from judged
where problem is not null
