with link as (
    select * from {{ ref('stg_crm__customer_link') }}
),

link_in_force as (
    select * from link
    where
        linked_at < {{ end_of('as_of_date') }}
        and (unlinked_at is null or unlinked_at >= {{ end_of('as_of_date') }})
        and customer_id <> linked_customer_id
),

-- Both customers are linked, whichever of them the CRM puts first.
link_end as (
    select
        as_of_date,
        customer_id,
        linked_customer_id as other_customer_id,
        link_kind,
        link_kind = 'payer' as pays_for_other
    from link_in_force
    union all
    select
        as_of_date,
        linked_customer_id as customer_id,
        customer_id as other_customer_id,
        link_kind,
        false as pays_for_other
    from link_in_force
),

-- Two customers may be linked in several ways, and a link may have been entered from both ends.
final as (
    select
        as_of_date,
        customer_id,
        count(distinct other_customer_id)::integer as linked_customer_count,
        (count(distinct other_customer_id) filter (where link_kind = 'same_person'))::integer
            as same_person_count,
        (count(distinct other_customer_id) filter (where link_kind = 'family'))::integer
            as family_member_count,
        (count(distinct other_customer_id) filter (where link_kind = 'same_organisation'))::integer
            as same_organisation_count,
        bool_or(pays_for_other) as pays_for_others,
        bool_or(link_kind = 'payer' and not pays_for_other) as is_paid_for_by_others
    from link_end
    group by as_of_date, customer_id
)

select * from final
