with as_of as (
    {{ as_of_dates() }}
),

source as (
    select * from {{ source('crm', 'contract') }}
    where business_date <= {{ business_date() }}
),

version as (
    {{ delta_versions('source', 'trim(source.contract_id)') }}
),

final as (
    select
        as_of.as_of_date,
        trim(version.contract_id) as contract_id,
        trim(version.subscription_id) as subscription_id,
        trim(version.customer_id) as customer_id,
        version.contract_kind,
        version.contract_state,
        version.signed_at,
        version.start_date,
        version.end_date,
        nullif(trim(version.previous_contract_id), '') as previous_contract_id,
        version.monthly_commitment_amount,
        version.subsidy_amount,
        version.early_termination_amount,
        version.changed_at,
        version.business_date as delivered_date
    from as_of
    inner join version on {{ holds_at_end_of('as_of.as_of_date', 'version') }}
)

select * from final
