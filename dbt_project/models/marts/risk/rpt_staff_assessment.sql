{{ config(unique_key='business_date') }}

with lapse as (
    select * from {{ ref('int_field_lapse') }}
),

dispatch as (
    select * from {{ ref('int_dispatches_attributed') }}
),

staff as (
    select * from {{ ref('stg_crm__staff') }}
    where as_of_date = {{ business_date() }}
),

rule as (
    select * from {{ ref('assessment_rule') }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

-- Of other nights than a month's last there is no month.
dispatch_of_month as (
    select
        staff_id,
        count(*) as dispatch_count
    from dispatch
    where
        staff_id is not null
        and {{ is_last_of_month(business_date()) }}
        and dispatched_at >= {{ start_of_month() }}
    group by staff_id
),

lapse_of_month as (
    select
        lapse.staff_id,
        count(*) filter (where lapse.assessment_kind = 'repeat') as repeat_count,
        count(*) filter (where lapse.assessment_kind = 'overdue') as overdue_count,
        count(*) filter (where lapse.assessment_kind = 'urged') as urged_count,
        sum(rule_in_force.technician_points) as technician_points,
        sum(rule_in_force.manager_points) as manager_points
    from lapse
    inner join rule_in_force on lapse.assessment_kind = rule_in_force.assessment_kind
    where {{ is_last_of_month(business_date()) }}
    group by lapse.staff_id
),

technician as (
    select
        staff_id,
        staff.supervisor_staff_id as manager_staff_id,
        coalesce(dispatch_of_month.dispatch_count, 0) as dispatch_count,
        coalesce(lapse_of_month.repeat_count, 0) as repeat_count,
        coalesce(lapse_of_month.overdue_count, 0) as overdue_count,
        coalesce(lapse_of_month.urged_count, 0) as urged_count,
        coalesce(lapse_of_month.technician_points, 0) as technician_points,
        coalesce(lapse_of_month.manager_points, 0) as manager_points
    from dispatch_of_month
    full outer join lapse_of_month using (staff_id)
    left join staff using (staff_id)
),

-- A manager answers for what happened to all technicians (关联考核).
united as (
    select
        staff_id,
        'technician' as assessed_as,
        manager_staff_id,
        dispatch_count,
        repeat_count,
        overdue_count,
        urged_count,
        technician_points as assessment_points
    from technician
    union all
    select
        manager_staff_id as staff_id,
        'manager' as assessed_as,
        null as manager_staff_id,
        sum(dispatch_count) as dispatch_count,
        sum(repeat_count) as repeat_count,
        sum(overdue_count) as overdue_count,
        sum(urged_count) as urged_count,
        sum(manager_points) as assessment_points
    from technician
    where manager_staff_id is not null
    group by manager_staff_id
),

final as (
    select
        {{ business_date() }} as business_date,
        staff_id,
        assessed_as,
        manager_staff_id,
        dispatch_count::integer as dispatch_count,
        repeat_count::integer as repeat_count,
        overdue_count::integer as overdue_count,
        urged_count::integer as urged_count,
        assessment_points
    from united
)

select * from final
