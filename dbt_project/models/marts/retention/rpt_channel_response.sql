-- A view: who asks gets what last night knew, and no night pays for it.
{{ config(materialized='view') }}

with contact as (
    select * from {{ ref('fct_channel_contact') }}
),

counted as (
    select
        proposal_code,
        channel_code,
        wave_number,
        contact_number,
        count(*) as contact_count,
        count(*) filter (where is_reached) as reached_count,
        count(*) filter (where response not in ('none', 'not_reached')) as answered_count,
        count(*) filter (where response = 'accepted') as accepted_count,
        count(*) filter (where response in ('refused', 'unsubscribed')) as refused_count
    from contact
    group by proposal_code, channel_code, wave_number, contact_number
),

-- Of who was reached: a call that nobody took has had no chance.
final as (
    select
        proposal_code,
        channel_code,
        wave_number,
        contact_number,
        contact_count,
        reached_count,
        answered_count,
        accepted_count,
        refused_count,
        round(accepted_count::numeric / nullif(reached_count, 0), 6) as response_rate,
        round(({{ wilson_bound('accepted_count', 'reached_count', -1) }})::numeric, 6)
            as response_rate_low,
        round(({{ wilson_bound('accepted_count', 'reached_count', 1) }})::numeric, 6)
            as response_rate_high
    from counted
)

select * from final
