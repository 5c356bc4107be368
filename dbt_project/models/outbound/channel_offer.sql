-- Calls go to the dialer by the decision alone.
{{ config(schema='marts') }}

with next_contact as (
    select * from {{ ref('fct_next_contact') }}
    where
        business_date = {{ business_date() }}
        and next_step in ('contact', 'switch_wave', 'tell_result')
        and occasion <> 'outbound_call'
),

wave as (
    select * from {{ ref('int_campaign_waves_in_force') }}
),

final as (
    select
        next_contact.business_date,
        next_contact.channel_code,
        next_contact.customer_id,
        next_contact.campaign_code,
        next_contact.wave_number,
        next_contact.occasion,
        next_contact.contact_count,
        replace(
            wave.message_zh, '{saved_amount}', coalesce(next_contact.saved_amount::text, '')
        ) as message_zh
    from next_contact
    inner join wave
        on
            next_contact.campaign_code = wave.campaign_code
            and next_contact.wave_number = wave.wave_number
)

select * from final
