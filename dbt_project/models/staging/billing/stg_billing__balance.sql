-- Not materialised: the newest delivery of each day is found in the index on business_date.
with source as not materialized (
    select * from {{ source('billing', 'balance') }}
),

delivery as (
    {{ newest_deliveries('source') }}
),

final as (
    select distinct on (delivery.as_of_date, trim(source.account_id))
        delivery.as_of_date,
        trim(source.account_id) as account_id,
        trim(source.customer_id) as customer_id,
        source.billing_kind,
        source.balance_amount,
        source.unpaid_amount,
        source.overdue_amount,
        source.oldest_unpaid_due_date,
        source.planned_suspension_date,
        source.account_state,
        source.credit_limit_amount,
        source.is_auto_pay,
        source.last_paid_at,
        delivery.delivered_date
    from delivery
    inner join source on delivery.delivered_date = source.business_date
    order by
        delivery.as_of_date asc,
        trim(source.account_id) asc,
        source.extract_load_id desc
)

select * from final
