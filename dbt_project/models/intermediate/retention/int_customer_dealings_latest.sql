with task as (
    select * from {{ ref('stg_dialer__call_task') }}
    where
        business_date < {{ business_date() }}
        and business_date > {{ business_date() }} - 90
),

offer as (
    select * from {{ ref('fct_offer') }}
    where
        response in ('accepted', 'refused', 'unsubscribed')
        and offered_date between {{ business_date() }} - 89 and {{ business_date() }}
),

contract as (
    select * from {{ ref('stg_crm__contract') }}
    where
        as_of_date = {{ business_date() }}
        and signed_at < {{ end_of(business_date()) }}
        and signed_at
        >= {{ window_start(business_date(), "interval '90 days'") }}
),

-- A list that was pulled back, or a task withdrawn, has not been dealt with. Judged as of the
-- business date, so that what is withdrawn later changes no past decision.
dealing as (
    select
        customer_id,
        'revisit' as dealing_kind,
        revisit_tag as dealing_code,
        business_date as dealt_date
    from task
    where task_status <> 'withdrawn' or closed_at >= {{ end_of(business_date()) }}
    union all
    select
        customer_id,
        case when response = 'accepted' then 'offer_accepted' else 'offer_refused' end
            as dealing_kind,
        offer_class as dealing_code,
        offered_date as dealt_date
    from offer
    union all
    select
        customer_id,
        'contract' as dealing_kind,
        contract_kind as dealing_code,
        {{ local_date('signed_at') }} as dealt_date
    from contract
),

final as (
    select
        {{ business_date() }} as business_date,
        customer_id,
        dealing_kind,
        dealing_code,
        max(dealt_date) as last_dealt_date
    from dealing
    group by customer_id, dealing_kind, dealing_code
)

select * from final
