-- A night writes only the flows that move; the decision asks whether the time for a call has come.
{{ config(
    incremental_strategy='change_validity', meta={'reads_itself': true},
    unique_key=['customer_id', 'campaign_code', 'valid_from'],
) }}

with target as (
    select * from {{ ref('int_candidates_selected') }}
),

wave as (
    select * from {{ ref('int_campaign_waves_in_force') }}
    where wave_kind = 'offer'
),

avoided as (
    select * from {{ ref('int_customer_channels_avoided') }}
),

standing as (
    {{ standing_periods({
        'customer_id': 'text', 'campaign_code': 'text', 'flow_state': 'text',
        'started_date': 'date', 'ended_date': 'date', 'wave_number': 'integer',
        'wave_started_date': 'date', 'contact_count': 'integer',
        'wave_contact_count': 'integer', 'last_contacted_date': 'date', 'valid_from': 'date',
    }) }}
),

rule as (
    select distinct
        campaign_code,
        proposal_code,
        rest_days
    from wave
),

-- Who ended a flow rests, and is then taken into it like anybody else.
going_on as (
    select standing.*
    from standing
    inner join rule on standing.campaign_code = rule.campaign_code
    where coalesce(standing.ended_date + rule.rest_days > {{ business_date() }}, true)
),

-- A flow counts what came after its start: of one that starts tonight that is nothing yet.
contact as (
    select * from {{ ref('fct_channel_contact') }}
    where contacted_date > (select min(going_on.started_date) as first_date from going_on)
),

entered as (
    select
        customer_id,
        campaign_code,
        rule.proposal_code,
        target.business_date is not null as is_target,
        going_on.flow_state,
        coalesce(going_on.started_date, {{ business_date() }}) as started_date,
        going_on.ended_date,
        going_on.wave_number,
        coalesce(going_on.wave_started_date, {{ business_date() }}) as wave_started_date
    from target
    full outer join going_on using (customer_id, campaign_code)
    inner join rule using (campaign_code)
),

contacted as (
    {{ flow_contacts('entered', 'contact', 'wave') }}
),

next_wave as (
    {{ next_waves('entered', 'contacted', 'wave', 'avoided') }}
),

moved as (
    select
        entered.*,
        contacted.contact_count,
        contacted.wave_contact_count,
        contacted.last_contacted_date,
        contacted.ordered_date,
        contacted.refused_date,
        next_wave.next_wave_number,
        {{ next_flow_state('entered', 'contacted', 'next_wave') }} as next_state
    from entered
    left join contacted using (customer_id, campaign_code)
    left join next_wave using (customer_id, campaign_code)
),

tonight as (
    select
        customer_id,
        campaign_code,
        next_state as flow_state,
        started_date,
        case
            when next_wave_number is null
                then coalesce(ended_date, ordered_date, refused_date, {{ business_date() }})
        end as ended_date,
        coalesce(next_wave_number, wave_number) as wave_number,
        case
            when next_wave_number <> wave_number then {{ business_date() }} else wave_started_date
        end as wave_started_date,
        coalesce(contact_count, 0) as contact_count,
        case
            when next_wave_number <> wave_number then 0 else coalesce(wave_contact_count, 0)
        end as wave_contact_count,
        last_contacted_date
    from moved
    where is_target or next_state <> 'running'
),

final as (
    {{ changed_periods(['customer_id', 'campaign_code'], [
        'flow_state', 'started_date', 'ended_date', 'wave_number', 'wave_started_date',
        'contact_count', 'wave_contact_count', 'last_contacted_date',
    ]) }}
)

select * from final
