with contract as (
    select * from {{ ref('stg_crm__contract') }}
    where as_of_date = {{ business_date() }} and contract_state = 'active'
),

-- A line that another contract holds beyond the end has been renewed already.
line_held as (
    select
        subscription_id,
        max(end_date) as end_date
    from contract
    where end_date >= {{ business_date() }}
    group by subscription_id
),

final as (
    select distinct on (contract.customer_id)
        {{ business_date() }} as business_date,
        contract.customer_id,
        contract.subscription_id,
        contract.contract_kind,
        contract.end_date as contract_end_date,
        contract.end_date - {{ business_date() }} as contract_remaining_days
    from contract
    inner join line_held
        on
            contract.subscription_id = line_held.subscription_id
            and contract.end_date = line_held.end_date
    order by
        contract.customer_id asc,
        contract.end_date asc,
        contract.subscription_id asc,
        contract.contract_id asc
)

select * from final
