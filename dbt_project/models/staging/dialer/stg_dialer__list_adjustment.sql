with source as (
    select * from {{ source('dialer', 'list_adjustment') }}
    where business_date <= {{ business_date() }}
),

-- Of several the last one holds.
final as (
    select distinct on (business_date, revisit_tag, customer_id)
        business_date,
        revisit_tag,
        customer_id,
        is_added,
        adjusted_by,
        adjusted_at
    from source
    order by
        business_date asc,
        revisit_tag asc,
        customer_id asc,
        list_adjustment_id desc
)

select * from final
