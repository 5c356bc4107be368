-- The fourteen rules by DuckDB, from what was delivered (Parquet, one file per extract) and the
-- warnings of the night before. Parameters: $night, the business date; $zone, the operator's time zone.
with night as (
    select
        $night::date as night_date,
        ($night::date + 1)::timestamp as local_end,
        ($night::date + 1)::timestamp at time zone $zone as end_at
),

rule as (
    select
        risk_rule.*,
        (
            night.local_end
            - case window_unit when 'month' then to_months(window_value) else to_days(window_value) end
        ) at time zone $zone as window_start_at
    from risk_rule, night
    where valid_from <= night_date and (valid_to is null or night_date < valid_to)
),

active as (
    select
        subscription.* replace (trim(subscription_id) as subscription_id),
        plan.plan_name,
        plan.monthly_rent_amount
    from night, subscription
    left join (
        select distinct on (plan_id) plan.* from plan, night
        where valid_from <= night_date and (valid_to is null or night_date < valid_to)
        order by plan_id, valid_from desc
    ) as plan using (plan_id)
    where activated_at < end_at and (terminated_at is null or end_at <= terminated_at)
),

ticket as (
    select
        latest.* exclude (closed_at),
        case when closed_at < end_at then closed_at end as closed_at
    from (
        select distinct on (ticket_id) * from trouble_ticket
        order by ticket_id, business_date desc, extract_load_id desc, closed_at desc nulls last
    ) as latest, night
    where reported_at < end_at
),

fault as (
    select * from ticket where ticket_state not in ('cancelled', 'rejected')
),

dispatched as (
    select latest.dispatch_id, latest.dispatched_at, ticket.ticket_id, ticket.subscription_id
    from night, (
        select distinct on (dispatch_id) * from dispatch
        order by dispatch_id, business_date desc, extract_load_id desc, completed_at desc nulls last
    ) as latest
    inner join ticket using (ticket_id)
    where dispatched_at < end_at
),

ordered as (
    select distinct on (order_id) service_order.* from service_order, night
    where changed_at < end_at
    order by order_id, changed_at desc, business_date desc, extract_load_id desc
),

tested as (
    select distinct on (subscription_id)
        copper_test.*,
        has_loose_joint::int + has_high_energy_noise::int + has_line_imbalance::int as hazard_count
    from copper_test, night
    where
        tested_at < end_at
        and (local_end - interval 30 days) at time zone $zone <= tested_at
    order by subscription_id, tested_at desc, business_date desc, extract_load_id desc
),

hazardous as (
    select tested.subscription_id, cross_connect_area_id from tested
    inner join active using (subscription_id)
    where hazard_count > 0 and cross_connect_area_id is not null
),

area as (
    select
        cross_connect_area_id,
        count(*) as hazardous_line_count,
        row_number() over (order by count(*) desc, cross_connect_area_id) as area_rank
    from hazardous
    group by cross_connect_area_id
),

first_fault as (
    select distinct on (order_id)
        ordered.order_id,
        ordered.subscription_id,
        fault.ticket_id,
        reported_at,
        epoch(reported_at - completed_at) / 86400 as days
    from night, ordered
    inner join fault
        on
            ordered.subscription_id = fault.subscription_id
            and ordered.completed_at <= fault.reported_at
    where
        order_kind = 'install' and order_state = 'completed' and is_operator_cause
        and completed_at < end_at
    order by order_id, reported_at, ticket_id
),

measured as (
    select
        subscription_id,
        rule_code,
        count(distinct dispatch_id)::double as measured_value,
        json_object(
            'dispatch_count', count(distinct dispatch_id),
            'ticket_count', count(distinct ticket_id),
            'ticket_ids', list(distinct ticket_id)
        ) as evidence
    from rule
    inner join dispatched on window_start_at <= dispatched_at
    where measure = 'dispatch_count'
    group by all
    union all
    select
        subscription_id,
        rule_code,
        max(epoch(closed_at - reported_at) / 86400),
        json_object('ticket_ids', list(ticket_id))
    from rule
    inner join fault on window_start_at <= closed_at
    where measure = 'closed_fault_days'
    group by all
    union all
    select
        subscription_id,
        rule_code,
        max(epoch(end_at - reported_at) / 86400),
        json_object('ticket_ids', list(ticket_id))
    from rule, fault, night
    where measure = 'open_fault_days' and closed_at is null
    group by all
    union all
    select
        subscription_id,
        rule_code,
        monthly_rent_amount::double,
        json_object('plan_id', plan_id, 'plan_name', plan_name)
    from rule, active
    where measure = 'plan_monthly_rent' and product_type = 'broadband'
    union all
    select
        subscription_id,
        rule_code,
        sum(download_bytes + upload_bytes) * 60 / sum(online_minutes) / 1024 ** 3,
        json_object(
            'total_bytes', sum(download_bytes + upload_bytes),
            'online_minutes', sum(online_minutes)
        )
    from rule, night, (
        select
            subscription_id,
            usage_date,
            arg_max(download_bytes, online_minutes) as download_bytes,
            arg_max(upload_bytes, online_minutes) as upload_bytes,
            max(online_minutes) as online_minutes
        from broadband_daily
        group by subscription_id, usage_date
    ) as usage
    where
        measure = 'traffic_per_online_hour'
        and usage_date <= night_date
        and night_date + 1 - window_value::int <= usage_date
    group by subscription_id, rule_code, minimum_online_hours
    having sum(online_minutes) >= minimum_online_hours * 60
    union all
    select
        subscription_id,
        rule_code,
        optical_loss_db,
        json_object('measured_at', measured_at)
    from rule, (
        select
            subscription_id,
            arg_max(reading_value, measured_at)::double as optical_loss_db,
            max(measured_at) as measured_at
        from optical_reading, night
        where direction = 'downstream' and reading_unit = 'dB' and measured_at < end_at
        group by subscription_id
    ) as reading
    where measure = 'downstream_loss'
    union all
    select
        subscription_id,
        rule_code,
        max(operator_delay_minutes / 1440.0),
        json_object('order_ids', list(order_id), 'causes', list(distinct delay_cause))
    from rule
    inner join ordered on order_state <> 'completed' or window_start_at <= completed_at
    where
        measure = 'operator_delay_days'
        and operator_delay_minutes > 0 and order_state not in ('cancelled', 'rejected')
    group by all
    union all
    select
        subscription_id,
        rule_code,
        max(
            epoch(
                case when no_resource_answered_at < end_at then no_resource_answered_at else end_at end
                - no_resource_raised_at
            ) / 3600
        ),
        json_object('order_ids', list(order_id))
    from night, rule
    inner join ordered
        on
            no_resource_answered_at is null or end_at <= no_resource_answered_at
            or window_start_at <= no_resource_raised_at
    where
        measure = 'no_resource_hours'
        and no_resource_raised_at < end_at and order_state not in ('cancelled', 'rejected')
    group by all
    union all
    select
        subscription_id,
        rule_code,
        min(days),
        json_object('order_id', min_by(order_id, days), 'ticket_id', min_by(ticket_id, days))
    from rule
    inner join first_fault on window_start_at <= reported_at
    where measure = 'install_to_fault_days'
    group by all
    union all
    select
        subscription_id,
        rule_code,
        hazard_count,
        json_object('tested_at', tested_at)
    from rule, tested
    where measure = 'line_hazard_count'
    union all
    select
        subscription_id,
        rule_code,
        area_rank,
        json_object(
            'cross_connect_area_id', cross_connect_area_id,
            'hazardous_line_count', hazardous_line_count
        )
    from rule, hazardous
    inner join area using (cross_connect_area_id)
    where measure = 'hazard_area_rank'
)

select
    night_date,
    active.customer_id,
    subscription_id,
    rule_code,
    risk_level,
    measured_value,
    threshold_value,
    evidence,
    coalesce(first_raised_date, night_date) as first_raised_date,
    first_raised_date is null as is_new
from measured
inner join active using (subscription_id)
inner join rule using (rule_code)
inner join night on true
left join warned_before using (subscription_id, rule_code)
where
    case operator
        when '>' then measured_value > threshold_value
        when '>=' then measured_value >= threshold_value
        when '<=' then measured_value <= threshold_value
    end
