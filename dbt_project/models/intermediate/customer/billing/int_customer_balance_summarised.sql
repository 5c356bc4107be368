-- A view: read once, by int_customer_billing_summarised.
{{ config(materialized='view') }}

with balance as (
    select * from {{ ref('stg_billing__balance') }}
),

delivered as (
    select * from {{ ref('stg_billing__balance_delivered') }}
    where is_recent
),

final as (
    select
        balance.as_of_date,
        balance.customer_id,
        sum(balance.balance_amount) as balance_amount,
        sum(balance.credit_limit_amount) as credit_limit_amount,
        sum(balance.overdue_amount) as overdue_amount,
        min(balance.planned_suspension_date) as planned_suspension_date,
        -- The worst of several accounts.
        case
            when bool_or(balance.account_state = 'suspended') then 'suspended'
            when bool_or(balance.account_state = 'overdue') then 'overdue'
            else 'in_service'
        end as account_state,
        bool_and(balance.is_auto_pay) as is_auto_pay,
        bool_and(balance.billing_kind = 'prepaid') as is_prepaid
    from balance
    inner join delivered on balance.as_of_date = delivered.as_of_date
    group by balance.as_of_date, balance.customer_id
)

select * from final
