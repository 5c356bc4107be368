with due as (
    select * from {{ ref('int_soothing_due') }}
    where
        opened_date between {{ business_date() }} - {{ var('soothing_age_days') }} + 1
        and {{ business_date() }}
),

action as (
    select * from {{ ref('stg_retention__soothing_action') }}
    where result_code <> 'unreachable'
),

-- Whoever has been reached since the order was opened is soothed, whatever came of it.
outstanding as (
    select * from due
    where not exists (
        select action.customer_id from action
        where
            action.customer_id = due.customer_id
            and action.acted_at >= {{ start_of('due.opened_date') }}
    )
),

final as (
    select
        {{ business_date() }} as business_date,
        customer_id,
        bool_or(soothing_kind = 'explanation_call') as needs_explanation,
        string_agg(distinct guidance_zh, '；' order by guidance_zh) as guidance_zh,
        max(subsidy_amount) as subsidy_amount,
        array_agg(distinct policy_code order by policy_code) filter (where policy_code is not null)
            as policy_codes
    from outstanding
    group by customer_id
)

select * from final
