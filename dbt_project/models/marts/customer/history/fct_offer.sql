-- Incremental: offers of past days do not change, but for those that a delivery brings.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_from',
        unique_key='offered_date',
        indexes=[{'columns': ['customer_id']}],
    )
}}

with offer as (
    select
        *,
        {{ local_date('shown_at') }} as offered_date
    from {{ ref('stg_channel__offer') }}
    where
        shown_at < {{ end_of(business_date()) }}
        and {{ local_date('shown_at') }}
        >= {{ changed_from(['channel.offer', 'channel.sms_blast']) }}
),

unsubscribed as (
    select * from {{ ref('stg_channel__sms_blast') }}
    where reply_kind = 'unsubscribe' and replied_at < {{ end_of(business_date()) }}
),

-- An answer to a message may say more than the offer it carried knows.
made as (
    select
        offer.offer_event_id,
        offer.customer_id,
        offer.subscription_id,
        offer.offered_date,
        offer.offer_code,
        offer.offer_class,
        offer.channel,
        offer.wave_number,
        case
            when unsubscribed.blast_id is not null then 'unsubscribed' else offer.response
        end as response,
        coalesce(unsubscribed.replied_at, offer.responded_at) as responded_at,
        offer.monthly_fee_amount,
        offer.staff_id,
        offer.shown_at
    from offer
    left join unsubscribed
        on
            offer.blast_id = unsubscribed.blast_id
            and offer.subscription_id = unsubscribed.subscription_id
),

held as (
    {{ kept_before(
        changed_from(['channel.offer', 'channel.sms_blast']),
        'offered_date',
        var('contact_window_days'),
        {
            'offer_event_id': 'text', 'customer_id': 'text', 'offer_class': 'text',
            'channel': 'text', 'wave_number': 'integer', 'shown_at': 'timestamptz',
        },
    ) }}
),

counted as (
    select
        offer_event_id,
        customer_id,
        offer_class,
        channel,
        wave_number,
        shown_at
    from made
    union all
    select * from held
    where held.customer_id in (select made.customer_id from made)
),

numbered as (
    select
        offer_event_id,
        (
            count(*) over (
                partition by customer_id, offer_class, channel, wave_number
                order by shown_at asc
                range between interval '{{ var("contact_window_days") }} days' preceding
                and current row
            )
        )::integer as contact_number
    from counted
),

final as (
    select
        made.offer_event_id,
        made.customer_id,
        made.subscription_id,
        made.offered_date,
        made.offer_code,
        made.offer_class,
        made.channel,
        made.wave_number,
        numbered.contact_number,
        made.response,
        made.monthly_fee_amount,
        made.staff_id,
        made.shown_at,
        made.responded_at
    from made
    inner join numbered on made.offer_event_id = numbered.offer_event_id
)

select * from final
