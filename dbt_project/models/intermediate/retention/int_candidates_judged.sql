-- A view: the limits that a candidate is judged by may be tried by a preview.
{{ config(materialized='view') }}

with candidate as (
    select * from {{ ref('int_candidates_valued') }}
),

blocked as (
    select * from {{ ref('int_customer_call_blocked') }}
),

-- Materialised: the planner expects few candidates and would look each one's consent up.
consent as materialized (
    select * from {{ ref('int_customer_consents_summarised') }}
    where as_of_date = {{ business_date() }} and marketing_call_until_date > {{ business_date() }}
),

task_open as (
    select * from {{ ref('int_customer_task_open') }}
),

flow_elsewhere as (
    select * from {{ ref('int_flow_elsewhere') }}
),

handling as not materialized (
    select * from {{ ref('sensitivity_handling') }}
    where rules_out_pitch
),

campaign_conflict as (
    select * from {{ ref('campaign_conflict') }}
),

dealing as (
    select * from {{ ref('int_customer_dealings_latest') }}
),

conflict as (
    select distinct
        dealing.customer_id,
        campaign_conflict.campaign_code
    from dealing
    inner join campaign_conflict
        on
            dealing.dealing_kind = campaign_conflict.dealing_kind
            and dealing.dealing_code = campaign_conflict.dealing_code
            and dealing.last_dealt_date > {{ business_date() }} - campaign_conflict.window_days
            and {{ in_force(business_date(), 'campaign_conflict') }}
),

contacted as (
    select * from {{ ref('int_customer_contacts_limited') }}
),

-- Every reason that applies, in the order of seeds/drop_reason.csv.
final as (
    select
        candidate.*,
        coalesce(contacted.contact_count_30d, 0) as contact_count_30d,
        array_remove(array[
            case
                when
                    candidate.is_do_not_call or blocked.is_blocked
                    or candidate.needs_consent and blocked.customer_id is not null
                    then 'do_not_call'
            end,
            case when not candidate.has_phone then 'no_phone' end,
            case when candidate.is_on_black_list then 'black_list' end,
            case
                when candidate.needs_consent and consent.customer_id is null then 'no_consent'
            end,
            case when task_open.customer_id is not null then 'open_task' end,
            case when candidate.first_hour is null then 'quiet_hours' end,
            case
                when
                    candidate.is_pitch
                    and (
                        ('complaint', candidate.complaint_sensitivity_band) in (
                            select
                                handling.sensitivity_kind,
                                handling.band_code
                            from handling
                        )
                        or ('fee', candidate.fee_sensitivity_band) in (
                            select
                                handling.sensitivity_kind,
                                handling.band_code
                            from handling
                        )
                    )
                    then 'sensitivity'
            end,
            case when conflict.customer_id is not null then 'policy_conflict' end,
            case when flow_elsewhere.customer_id is not null then 'other_wave' end,
            case when candidate.is_limited and contacted.has_daily_cap then 'daily_cap' end,
            case when candidate.is_limited and contacted.has_rolling_cap then 'rolling_cap' end,
            case when candidate.is_limited and contacted.has_minimum_gap then 'minimum_gap' end,
            case when candidate.is_sleeping_dog then 'sleeping_dog' end,
            case
                when candidate.must_pay and candidate.expected_profit_amount < 0
                    then 'below_profitable_length'
            end
        ], null) as exclusion_reasons
    from candidate
    left join blocked on candidate.customer_id = blocked.customer_id
    left join consent on candidate.customer_id = consent.customer_id
    left join task_open on candidate.customer_id = task_open.customer_id
    left join flow_elsewhere
        on
            candidate.customer_id = flow_elsewhere.customer_id
            and candidate.campaign_code = flow_elsewhere.campaign_code
    left join conflict
        on
            candidate.customer_id = conflict.customer_id
            and candidate.campaign_code = conflict.campaign_code
    left join contacted on candidate.customer_id = contacted.customer_id
)

select * from final
