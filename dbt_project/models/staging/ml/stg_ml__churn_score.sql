with source as (
    select * from {{ source('ml', 'churn_score') }}
    where business_date <= {{ business_date() }}
),

-- Where several model versions scored a date, the latest scores hold.
final as (
    select distinct on (business_date, customer_id)
        business_date,
        customer_id,
        model_version,
        churn_probability::numeric as churn_probability,
        reason_1,
        reason_2,
        reason_3,
        scored_at
    from source
    order by business_date asc, customer_id asc, scored_at desc, model_version desc
)

select * from final
