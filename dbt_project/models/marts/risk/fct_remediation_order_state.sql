{{ config(
    incremental_strategy='change_validity',
    unique_key=['remediation_order_id', 'valid_from'],
    meta={'reads_itself': true},
) }}

with needed as (
    select * from {{ ref('int_remediation_needed') }}
),

answer as (
    select * from {{ ref('int_remediation_answered') }}
),

line as (
    select * from {{ ref('int_line_evidence') }}
),

route as (
    select * from {{ ref('remediation_route') }}
),

standing as (
    {{ standing_periods({
        'remediation_order_id': 'text',
        'subject_id': 'text',
        'cause_code': 'text',
        'route_code': 'text',
        'opened_date': 'date',
        'order_state': 'text',
        'done_at': 'timestamptz',
        'result_code': 'text',
        'valid_from': 'date',
        'valid_to': 'date',
    }) }}
),

standing_open as (
    select
        standing.*,
        route.subject_kind,
        route.cadence,
        route.verification,
        route.verification_days,
        route.is_lapsing
    from standing
    inner join route
        on
            standing.route_code = route.route_code
            and {{ in_force('standing.opened_date', 'route') }}
    where not {{ is_order_ended('standing') }}
),

answered as (
    {{ latest_answers('standing_open', 'answer') }}
),

moved as (
    select
        standing_open.*,
        coalesce(answered.handled_at, standing_open.done_at) as next_done_at,
        coalesce(answered.result_code, standing_open.result_code) as next_result_code,
        {{ next_order_state('standing_open', 'answered', 'line', 'needed') }} as next_state,
        {{ business_date() }} as night
    from standing_open
    left join line on standing_open.subject_id = line.subscription_id
    left join answered on standing_open.remediation_order_id = answered.remediation_order_id
    left join needed
        on
            standing_open.subject_id = needed.subject_id
            and standing_open.cause_code = needed.cause_code
),

-- One order at a time for a cause; and none for what was seen before the last one was done.
opened as (
    select * from needed
    where not exists (
        select standing.subject_id from standing
        where
            standing.subject_id = needed.subject_id
            and standing.cause_code = needed.cause_code
            and (
                not {{ is_order_ended('standing') }} or needed.evidence_at <= standing.done_at
            )
    )
),

final as (
    select
        moved.remediation_order_id,
        moved.subject_id,
        moved.cause_code,
        moved.route_code,
        moved.opened_date,
        period.*
    from moved
    cross join
        lateral (
            values
            (moved.order_state, moved.done_at, moved.result_code, moved.valid_from, moved.night),
            (moved.next_state, moved.next_done_at, moved.next_result_code, moved.night, null)
        ) as period (order_state, done_at, result_code, valid_from, valid_to)
    where moved.next_state <> moved.order_state
    union all
    select
        {{ remediation_order_id('subject_id', 'cause_code') }} as remediation_order_id,
        subject_id,
        cause_code,
        route_code,
        {{ business_date() }} as opened_date,
        'open' as order_state,
        null as done_at,
        null as result_code,
        {{ business_date() }} as valid_from,
        null as valid_to
    from opened
)

select * from final
