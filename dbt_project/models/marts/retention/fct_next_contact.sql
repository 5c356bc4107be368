{{ config(unique_key='business_date') }}

with judged as (
    select * from {{ ref('int_flow_judged') }}
),

result_wave as (
    select * from {{ ref('int_campaign_waves_in_force') }}
    where wave_kind = 'result'
),

saving as (
    select * from {{ ref('int_customer_saving_measured') }}
    where saved_amount > 0
),

avoided as (
    select * from {{ ref('int_customer_channels_avoided') }}
),

preference as (
    select * from {{ ref('fct_channel_preference') }}
    where preference = 'favourite'
),

favourite as (
    select * from preference
    where {{ in_force(business_date(), 'preference') }}
),

-- Of several flows that could go on tonight the first does.
placed as (
    select
        judged.*,
        row_number() over (
            partition by judged.customer_id
            order by
                judged.held_reason is null desc,
                judged.precedence asc,
                judged.priority_score desc nulls last,
                judged.campaign_code asc
        ) as place_number
    from judged
),

decided as (
    select
        placed.*,
        case
            when placed.held_reason is null and placed.place_number > 1 then 'one_wave'
            else placed.held_reason
        end as next_step_reason
    from placed
),

told as (
    select
        saving.customer_id,
        saving.campaign_code,
        saving.saved_amount,
        result_wave.wave_number,
        result_wave.channel_code,
        result_wave.occasion
    from saving
    inner join result_wave on saving.campaign_code = result_wave.campaign_code
    left join avoided
        on
            saving.customer_id = avoided.customer_id
            and result_wave.channel_code = avoided.channel_code
    where avoided.customer_id is null
),

final as (
    select
        decided.business_date,
        decided.customer_id,
        decided.campaign_code,
        decided.flow_state,
        favourite.channel_code as favourite_channel_code,
        coalesce(told.wave_number, decided.wave_number) as wave_number,
        coalesce(told.channel_code, decided.channel_code) as channel_code,
        coalesce(told.occasion, decided.occasion) as occasion,
        decided.contact_count,
        decided.wave_contact_count,
        decided.last_contacted_date,
        told.saved_amount,
        case
            when told.customer_id is not null then 'tell_result'
            when decided.flow_state = 'ordered' then 'ordered'
            when decided.flow_state <> 'running' then 'stop'
            when decided.next_step_reason is not null then 'rest'
            when
                decided.wave_started_date = decided.business_date
                and decided.started_date < decided.business_date
                then 'switch_wave'
            else 'contact'
        end as next_step,
        case when told.customer_id is null then decided.next_step_reason end as next_step_reason
    from decided
    left join told
        on
            decided.customer_id = told.customer_id
            and decided.campaign_code = told.campaign_code
            and decided.flow_state = 'ordered'
    left join favourite on decided.customer_id = favourite.customer_id
)

select * from final
