-- The night reads the notes of the contacts that it brings. What has been switched off since goes.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_from',
    unique_key='noted_date',
    post_hook="delete from {{ this }} where attribute_code not in (
        select attribute_code from {{ ref('customer_attribute') }} where is_enabled
    )",
) }}

with interaction as (
    select * from {{ ref('stg_contact_center__interaction') }}
    where
        {{ local_date('contacted_at') }} >= {{ changed_from('contact_center.interaction') }}
        and contacted_at < {{ end_of(business_date()) }}
),

clue as (
    select * from {{ ref('note_clue') }}
),

attribute as (
    select * from {{ ref('customer_attribute') }}
),

clue_enabled as (
    select clue.*
    from clue
    inner join attribute on clue.attribute_code = attribute.attribute_code
    where attribute.is_enabled
),

note_read as (
    select
        interaction_id,
        customer_id,
        {{ local_date('contacted_at') }} as noted_date,
        {{ plain_text('note') }} as note
    from interaction
    where note is not null
),

-- All patterns as one: most notes hold no clue, and are looked through once.
note_kept as materialized (
    select * from note_read
    where note ~ (select string_agg(clue_enabled.pattern, '|') as any_pattern from clue_enabled)
),

final as (
    select
        note_kept.interaction_id,
        note_kept.customer_id,
        note_kept.noted_date,
        clue_enabled.attribute_code,
        clue_enabled.attribute_value,
        max(clue_enabled.weight) as weight
    from note_kept
    inner join clue_enabled
        on
            note_kept.note ~ clue_enabled.pattern
            and coalesce(note_kept.note !~ clue_enabled.exclusion_pattern, true)
    group by
        note_kept.interaction_id,
        note_kept.customer_id,
        note_kept.noted_date,
        clue_enabled.attribute_code,
        clue_enabled.attribute_value
)

select * from final
