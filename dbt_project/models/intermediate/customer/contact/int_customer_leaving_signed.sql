with suspensions as (
    select * from {{ ref('int_customer_suspensions_counted') }}
    where as_of_date = {{ business_date() }} and last_competitor_date is not null
),

inquiries as (
    select * from {{ ref('int_customer_inquiries_counted') }}
    where last_leaving_inquiry_date is not null
),

final as (
    select
        customer_id,
        {{ business_date() }} as business_date,
        greatest(suspensions.last_competitor_date, inquiries.last_leaving_inquiry_date)
            as last_leaving_sign_date
    from suspensions
    full outer join inquiries using (customer_id)
)

select * from final
