with routed as (
    select * from {{ ref('int_remediation_routed') }}
),

route as (
    select * from {{ ref('remediation_route') }}
),

line as (
    select * from {{ ref('int_line_evidence') }}
),

area as (
    select * from {{ ref('stg_line__access_resource') }}
    where as_of_date = {{ business_date() }}
),

route_in_force as (
    select * from route
    where {{ in_force(business_date(), 'route') }}
),

-- Causes with one cure make one order, by the first of their routes and actions.
subject_needing as (
    select
        subject_kind,
        subject_id,
        order_cause_code as cause_code,
        case subject_kind when 'line' then min(customer_id) end as customer_id,
        min(cross_connect_area_id) as cross_connect_area_id,
        (array_agg(route_code order by route_precedence, cause_code))[1] as route_code,
        (array_agg(action_code order by action_precedence, cause_code))[1] as action_code,
        min({{ risk_level_rank('highest_risk_level') }}) as risk_level_rank,
        min(first_raised_date) as first_raised_date,
        max(first_raised_date) as last_raised_date,
        count(distinct subscription_id)::integer as subscription_count,
        count(distinct customer_id)::integer as customer_count
    from routed
    group by subject_kind, subject_id, order_cause_code
),

subject_rules as (
    select
        subject_id,
        order_cause_code as cause_code,
        array_agg(distinct rule_code order by rule_code) as rule_codes
    from routed
    cross join lateral unnest(rule_codes) as raised (rule_code)
    group by subject_id, order_cause_code
),

final as (
    select
        subject_needing.subject_kind,
        subject_needing.subject_id,
        subject_needing.cause_code,
        subject_needing.customer_id,
        subject_needing.cross_connect_area_id,
        subject_needing.route_code,
        subject_needing.action_code,
        {{ risk_level_at('subject_needing.risk_level_rank') }} as highest_risk_level,
        coalesce(subject_rules.rule_codes, array[]::text[]) as rule_codes,
        subject_needing.first_raised_date,
        subject_needing.subscription_count,
        subject_needing.customer_count,
        route_in_force.owner_team,
        route_in_force.handler_role,
        case route_in_force.handler_role
            when 'grid_contractor' then area.grid_contractor_staff_id
            when 'field_manager' then area.field_manager_staff_id
        end as handler_staff_id,
        route_in_force.priority,
        case route_in_force.verification
            when 'no_new_fault' then line.last_fault_at
            when 'measured_again' then line.last_measured_at
            else {{ start_of('subject_needing.last_raised_date') }}
        end as evidence_at,
        case route_in_force.cadence
            when 'monthly'
                then (date_trunc('month', {{ business_date() }}) + interval '1 month')::date - 1
            else {{ business_date() }}
        end + route_in_force.due_days as due_date
    from subject_needing
    inner join route_in_force on subject_needing.route_code = route_in_force.route_code
    left join subject_rules
        on
            subject_needing.subject_id = subject_rules.subject_id
            and subject_needing.cause_code = subject_rules.cause_code
    left join area on subject_needing.cross_connect_area_id = area.cross_connect_area_id
    left join line on subject_needing.subject_id = line.subscription_id
)

select * from final
