-- Incremental: only customers whose contacts tonight's deliveries change are ranked again, and only
-- what ends or begins is written. Calls are few enough to look at all who were called.
{{ config(
    materialized='incremental',
    incremental_strategy='change_validity',
    unique_key=['customer_id', 'channel_code', 'valid_from'],
    meta={'reads_itself': true},
) }}

with contact as (
    select * from {{ ref('fct_channel_contact') }}
),

channel as (
    select * from {{ ref('contact_channel') }}
),

parameter as (
    select * from {{ ref('int_channel_parameters_pivoted') }}
),

standing as (
    {{ standing_periods({
        'customer_id': 'text', 'channel_code': 'text', 'contact_count': 'integer',
        'reached_count': 'integer', 'accepted_count': 'integer', 'refused_count': 'integer',
        'response_rate': 'numeric', 'preference_rank': 'integer', 'preference': 'text',
        'valid_from': 'date',
    }) }}
),

-- Who was written since may have lost a contact; what tonight or later wrote is taken back first.
changed_customer as (
    select customer_id from {{ ref('fct_offer') }}
    where offered_date >= {{ changed_from(['channel.offer', 'channel.sms_blast']) }}
    union
    select customer_id from {{ ref('int_marketing_calls_made') }}
    {%- if is_incremental() %}
        union
        select customer_id from {{ this }}
        where
            valid_from >= {{ changed_from(['channel.offer', 'channel.sms_blast']) }}
            or greatest(valid_from, valid_to) >= {{ business_date() }}
    {%- endif %}
),

counted as (
    select
        customer_id,
        contact.channel_code,
        count(*)::integer as contact_count,
        (count(*) filter (where contact.is_reached))::integer as reached_count,
        (count(*) filter (where contact.response = 'accepted'))::integer as accepted_count,
        (count(*) filter (where contact.response in ('refused', 'unsubscribed')))::integer
            as refused_count,
        bool_or(contact.response = 'unsubscribed') as has_unsubscribed
    from contact
    inner join changed_customer using (customer_id)
    group by customer_id, contact.channel_code
),

judged as (
    select
        counted.*,
        round(
            (counted.accepted_count + channel.prior_response_rate * parameter.prior_contact_count)
            / (counted.reached_count + parameter.prior_contact_count),
            4
        ) as response_rate,
        counted.accepted_count >= parameter.favourite_acceptance_minimum as is_taken_up,
        counted.has_unsubscribed
        or (
            counted.refused_count >= parameter.dislike_refusal_minimum
            and counted.refused_count >= parameter.dislike_refusal_share * counted.reached_count
        ) as is_disliked
    from counted
    inner join channel on counted.channel_code = channel.channel_code
    cross join parameter
),

ranked as (
    select
        judged.*,
        (
            row_number() over (
                partition by judged.customer_id
                order by
                    judged.is_disliked asc,
                    judged.is_taken_up desc,
                    judged.response_rate desc,
                    judged.contact_count desc,
                    judged.channel_code asc
            )
        )::integer as preference_rank
    from judged
),

tonight as (
    select
        ranked.*,
        case
            when ranked.is_disliked then 'disliked'
            when ranked.is_taken_up and ranked.preference_rank = 1 then 'favourite'
            when ranked.is_taken_up and ranked.preference_rank = 2 then 'second'
            else 'neutral'
        end as preference
    from ranked
),

final as (
    {{ changed_periods(
        ['customer_id', 'channel_code'],
        [
            'contact_count', 'reached_count', 'accepted_count', 'refused_count', 'response_rate',
            'preference_rank', 'preference',
        ],
        judged='customer_id in (select customer_id from changed_customer)',
    ) }}
)

select * from final
