-- A view: offers are kept by day and calls by the dialer, each once.
{{ config(materialized='view') }}

with offer as (
    select * from {{ ref('fct_offer') }}
),

call_made as (
    select * from {{ ref('int_marketing_calls_made') }}
),

-- What an agent offers in a call that the dialer made is that call.
contact as (
    select
        'offer' as contact_kind,
        offer.offer_event_id as contact_id,
        offer.customer_id,
        offer.offered_date as contacted_date,
        offer.channel as channel_code,
        offer.offer_class as proposal_code,
        offer.wave_number,
        offer.contact_number,
        offer.response,
        offer.monthly_fee_amount,
        offer.shown_at as contacted_at
    from offer
    where
        offer.channel <> 'outbound'
        or not exists (
            select call_made.call_id from call_made
            where
                call_made.customer_id = offer.customer_id
                and call_made.contacted_date = offer.offered_date
        )
    union all
    select
        'call' as contact_kind,
        call_made.call_id as contact_id,
        call_made.customer_id,
        call_made.contacted_date,
        'outbound' as channel_code,
        call_made.proposal_code,
        call_made.wave_number,
        call_made.contact_number,
        call_made.response,
        null::numeric as monthly_fee_amount,
        call_made.called_at as contacted_at
    from call_made
),

final as (
    select
        contact_kind,
        contact_id,
        customer_id,
        contacted_date,
        channel_code,
        proposal_code,
        wave_number,
        contact_number,
        response,
        response <> 'not_reached' as is_reached,
        monthly_fee_amount,
        contacted_at
    from contact
)

select * from final
