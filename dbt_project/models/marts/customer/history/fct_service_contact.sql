-- Incremental: contacts of past days do not change, but for those that a delivery brings.
{{
    config(
        materialized='incremental',
        incremental_strategy='replace_from',
        unique_key='contacted_date',
        indexes=[{'columns': ['interaction_kind', 'contacted_date']}],
    )
}}

with interaction as (
    select * from {{ ref('stg_contact_center__interaction') }}
    where {{ local_date('contacted_at') }} >= {{ changed_from('contact_center.interaction') }}
),

-- Without the note: what staff write down about a person stays in staging.
final as (
    select
        interaction_id,
        customer_id,
        subscription_id,
        {{ local_date('contacted_at') }} as contacted_date,
        channel,
        interaction_kind,
        complaint_category,
        topic,
        urge_kind,
        resolution,
        staff_id,
        call_id,
        ticket_id,
        duration_seconds,
        is_repeat,
        is_escalated,
        is_operator_cause,
        contacted_at
    from interaction
    where contacted_at < {{ end_of(business_date()) }}
)

select * from final
