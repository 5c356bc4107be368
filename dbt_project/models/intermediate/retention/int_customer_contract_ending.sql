with contract as (
    select * from {{ ref('stg_crm__contract') }}
    where as_of_date = {{ business_date() }} and contract_state = 'active'
),

-- A line that another contract holds beyond the end has been renewed already.
ranked as (
    select
        *,
        rank() over (partition by subscription_id order by end_date desc) as end_rank
    from contract
    where end_date >= {{ business_date() }}
),

final as (
    select distinct on (customer_id)
        {{ business_date() }} as business_date,
        customer_id,
        subscription_id,
        contract_kind,
        end_date as contract_end_date,
        end_date - {{ business_date() }} as contract_remaining_days
    from ranked
    where end_rank = 1
    order by
        customer_id asc,
        end_date asc,
        subscription_id asc,
        contract_id asc
)

select * from final
