with raised as (
    select * from {{ ref('int_remediation_cause_raised') }}
),

examined as (
    select * from {{ ref('int_line_examined') }}
),

found as (
    select * from {{ ref('int_line_diagnosed') }}
),

route as (
    select * from {{ ref('remediation_route') }}
),

action as (
    select * from {{ ref('remediation_action') }}
),

route_in_force as (
    select * from route
    where {{ in_force(business_date(), 'route') }}
),

action_in_force as (
    select * from action
    where {{ in_force(business_date(), 'action') }}
),

-- What a route or an action asks for; one that asks for nothing fits whatever was found.
line_finding as (
    select
        subscription_id,
        finding_code
    from found
    union all
    select
        subscription_id,
        'whatever' as finding_code
    from examined
),

-- The first route whose finding the line has.
raised_routed as (
    select distinct on (raised.subscription_id, raised.cause_code)
        raised.*,
        route_in_force.route_code,
        route_in_force.precedence as route_precedence,
        route_in_force.subject_kind,
        route_in_force.order_cause_code
    from raised
    inner join route_in_force on raised.cause_code = route_in_force.cause_code
    inner join line_finding
        on
            raised.subscription_id = line_finding.subscription_id
            and coalesce(route_in_force.finding_code, 'whatever') = line_finding.finding_code
    order by raised.subscription_id asc, raised.cause_code asc, route_in_force.precedence asc
),

-- The first action that fits the cause and whose finding the line has.
raised_advised as (
    select distinct on (raised.subscription_id, raised.cause_code)
        raised.subscription_id,
        raised.cause_code,
        action_in_force.action_code,
        action_in_force.precedence as action_precedence
    from raised
    inner join line_finding on raised.subscription_id = line_finding.subscription_id
    inner join action_in_force
        on
            line_finding.finding_code = coalesce(action_in_force.finding_code, 'whatever')
            and (
                action_in_force.cause_code is null
                or raised.cause_code = action_in_force.cause_code
            )
    order by raised.subscription_id asc, raised.cause_code asc, action_in_force.precedence asc
),

line_findings as (
    select
        subscription_id,
        array_agg(finding_code order by finding_code) as finding_codes
    from found
    group by subscription_id
),

final as (
    select
        subscription_id,
        cause_code,
        raised_routed.customer_id,
        examined.cross_connect_area_id,
        raised_routed.subject_kind,
        case raised_routed.subject_kind
            when 'area' then examined.cross_connect_area_id
            else subscription_id
        end as subject_id,
        raised_routed.order_cause_code,
        raised_routed.rule_codes,
        raised_routed.highest_risk_level,
        raised_routed.first_raised_date,
        raised_routed.route_code,
        raised_routed.route_precedence,
        raised_advised.action_code,
        raised_advised.action_precedence,
        coalesce(line_findings.finding_codes, array[]::text[]) as finding_codes
    from raised_routed
    inner join raised_advised using (subscription_id, cause_code)
    inner join examined using (subscription_id)
    left join line_findings using (subscription_id)
)

select * from final
