-- Incremental: a night goes on from the last one that still holds, and reads what came since. No
-- reading is delivered on a day before it was made: the bound on the delivery spares old ones.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_as_of',
        unique_key='as_of_date',
    )
}}

with as_of as (
    select
        as_of_date,
        {{ held_date('as_of_date') }} as held_date
    from ({{ as_of_dates() }}) as dates
),

reading as (
    select * from {{ ref('stg_line__optical_reading') }}
    where
        direction = 'downstream'
        and delivered_date >= (
            select min(coalesce(as_of.held_date, date '-infinity')) as first_date from as_of
        )
),

-- A reading that is delivered again has been corrected: the newest delivery holds.
reading_corrected as (
    select distinct on (subscription_id, measured_at) * from reading
    order by
        subscription_id asc,
        measured_at asc,
        delivered_date desc,
        extract_load_id desc
),

held as (
    {%- if is_incremental() %}
        select * from {{ this }}
    {%- else %}
        select
            null::date as as_of_date,
            null::text as subscription_id,
            null::numeric as optical_loss_db,
            null::timestamptz as measured_at
    {%- endif %}
),

-- Readings in dBm are no losses and are passed over, also when they are the newest.
known as (
    select
        as_of.as_of_date,
        reading_corrected.subscription_id,
        reading_corrected.attenuation_db as optical_loss_db,
        reading_corrected.measured_at
    from as_of
    inner join reading_corrected
        on
            reading_corrected.measured_at < {{ end_of('as_of.as_of_date') }}
            and (
                as_of.held_date is null
                or reading_corrected.measured_at >= {{ end_of('as_of.held_date') }}
            )
    where reading_corrected.attenuation_db is not null
    union all
    select
        as_of.as_of_date,
        held.subscription_id,
        held.optical_loss_db,
        held.measured_at
    from as_of
    inner join held on as_of.held_date = held.as_of_date
),

final as (
    select distinct on (as_of_date, subscription_id)
        as_of_date,
        subscription_id,
        optical_loss_db,
        measured_at
    from known
    order by as_of_date asc, subscription_id asc, measured_at desc
)

select * from final
