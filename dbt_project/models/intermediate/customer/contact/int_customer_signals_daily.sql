-- A night brings the contacts of a few days: what lies before is not written again.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_from',
    unique_key='contacted_date',
) }}

with contact as (
    select * from {{ ref('fct_service_contact') }}
    where contacted_date >= {{ changed_from('contact_center.interaction') }}
),

signal as (
    select * from {{ ref('sensitivity_signal') }}
),

-- An empty condition of a signal matches every contact of its kind.
final as (
    select
        contact.contacted_date,
        contact.customer_id,
        signal.signal_code,
        count(*)::integer as contact_count
    from contact
    inner join signal
        on
            contact.interaction_kind = signal.interaction_kind
            and {{ in_force('contact.contacted_date', 'signal') }}
            and coalesce(
                contact.complaint_category = signal.complaint_category,
                signal.complaint_category is null
            )
            and coalesce(contact.urge_kind = signal.urge_kind, signal.urge_kind is null)
            and coalesce(contact.topic = signal.topic, signal.topic is null)
            and coalesce(contact.is_repeat = signal.is_repeat, signal.is_repeat is null)
            and coalesce(contact.is_escalated = signal.is_escalated, signal.is_escalated is null)
            and coalesce(contact.resolution = signal.resolution, signal.resolution is null)
    group by contact.contacted_date, contact.customer_id, signal.signal_code
)

select * from final
