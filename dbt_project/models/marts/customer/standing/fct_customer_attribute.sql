with entry as (
    select
        customer_id,
        attribute_code,
        {{ plain_text('attribute_value') }} as attribute_value,
        {{ local_date('changed_at') }} as noted_date
    from {{ ref('stg_crm__customer_attribute') }}
    where as_of_date = {{ business_date() }}
),

note_clue_found as (
    select * from {{ ref('int_note_clues_found') }}
),

attribute as (
    select * from {{ ref('customer_attribute') }}
    where is_enabled
),

vocabulary as (
    select * from {{ ref('customer_attribute_value') }}
),

clue as (
    select * from {{ ref('note_clue') }}
),

written as (
    select distinct
        entry.attribute_code,
        entry.attribute_value as written_value,
        attribute.crm_confidence
    from entry
    inner join attribute on entry.attribute_code = attribute.attribute_code
    where entry.attribute_value is not null
),

-- A word of the knowledge base is taken; what staff wrote in their own words is read as a note is.
-- What stays unknown is left out.
word_read as (
    select
        written.attribute_code,
        written.written_value,
        vocabulary.attribute_value,
        written.crm_confidence as confidence
    from written
    inner join vocabulary
        on
            written.attribute_code = vocabulary.attribute_code
            and written.written_value
            in (vocabulary.attribute_value, {{ plain_text('vocabulary.value_name_zh') }})
    union all
    select
        written.attribute_code,
        written.written_value,
        clue.attribute_value,
        written.crm_confidence * clue.weight as confidence
    from written
    inner join clue
        on
            written.attribute_code = clue.attribute_code
            and written.written_value ~ clue.pattern
            and coalesce(written.written_value !~ clue.exclusion_pattern, true)
),

entered as (
    select
        entry.customer_id,
        entry.attribute_code,
        word_read.attribute_value,
        entry.noted_date,
        max(word_read.confidence) as confidence
    from entry
    inner join word_read
        on
            entry.attribute_code = word_read.attribute_code
            and entry.attribute_value = word_read.written_value
    group by 1, 2, 3, 4
),

-- What the customer had taken out is not brought back by older notes. Each clue leaves less doubt.
noted as (
    select
        note_clue_found.customer_id,
        note_clue_found.attribute_code,
        note_clue_found.attribute_value,
        min(note_clue_found.noted_date) as first_noted_date,
        max(note_clue_found.noted_date) as last_noted_date,
        count(*)::integer as clue_count,
        1 - exp(sum(ln(1 - note_clue_found.weight))) as confidence
    from note_clue_found
    left join entry
        on
            note_clue_found.customer_id = entry.customer_id
            and note_clue_found.attribute_code = entry.attribute_code
            and entry.attribute_value is null
            and note_clue_found.noted_date <= entry.noted_date
    where entry.customer_id is null
    group by 1, 2, 3
),

final as (
    select
        customer_id,
        attribute_code,
        attribute_value,
        case when entered.noted_date is null then 'note' else 'crm' end as origin,
        round(1 - (1 - coalesce(entered.confidence, 0)) * (1 - coalesce(noted.confidence, 0)), 3)
            as confidence,
        least(entered.noted_date, noted.first_noted_date) as first_noted_date,
        greatest(entered.noted_date, noted.last_noted_date) as last_noted_date,
        coalesce(noted.clue_count, 0) as clue_count
    from entered
    full outer join noted using (customer_id, attribute_code, attribute_value)
)

select * from final
