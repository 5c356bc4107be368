with link as (
    select * from {{ ref('stg_crm__customer_link') }}
    where
        as_of_date = {{ business_date() }}
        and linked_at < {{ end_of('as_of_date') }}
),

final as (
    select
        customer_id,
        linked_customer_id,
        link_kind,
        evidence_kind,
        match_probability,
        unlinked_at is null or unlinked_at >= {{ end_of('as_of_date') }} as is_in_force,
        {{ local_date('linked_at') }} as linked_date,
        {{ local_date('unlinked_at') }} as unlinked_date
    from link
)

select * from final
