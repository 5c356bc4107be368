-- Only at a month's end is there anything to tell, and only to who has ordered.
with flow as (
    select * from {{ ref('fct_contact_flow') }}
    where
        flow_state = 'ordered'
        and {{ is_last_of_month(business_date()) }}
),

wave as (
    select * from {{ ref('int_campaign_waves_in_force') }}
    where wave_kind = 'result' and saving_measure = 'roaming_fee'
),

contact as (
    select * from {{ ref('fct_channel_contact') }}
    where response = 'accepted'
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

roaming as (
    select * from {{ ref('fct_roaming') }}
    where started_date <= {{ business_date() }}
),

ordered as (
    select
        flow.customer_id,
        flow.campaign_code,
        flow.ended_date as ordered_date,
        wave.saving_days,
        max(contact.monthly_fee_amount) as monthly_fee_amount
    from flow
    inner join wave on flow.campaign_code = wave.campaign_code
    inner join contact
        on
            flow.customer_id = contact.customer_id
            and wave.proposal_code = contact.proposal_code
            and flow.ended_date = contact.contacted_date
    where {{ in_force(business_date(), 'flow') }}
    group by flow.customer_id, flow.campaign_code, flow.ended_date, wave.saving_days
),

-- The day of the order belongs to neither side: the package began somewhere in it.
stay as (
    select
        ordered.*,
        roaming.roaming_fee_amount,
        roaming.started_date < ordered.ordered_date as is_before
    from ordered
    inner join subscription on ordered.customer_id = subscription.customer_id
    inner join roaming
        on
            subscription.subscription_id = roaming.subscription_id
            and roaming.started_date >= ordered.ordered_date - ordered.saving_days
    where
        roaming.started_date < ordered.ordered_date
        or roaming.started_date > ordered.ordered_date
        and roaming.started_date >= date_trunc('month', {{ business_date() }}::timestamp)::date
),

compared as (
    select
        customer_id,
        campaign_code,
        ordered_date,
        monthly_fee_amount,
        count(*) filter (where is_before) as before_count,
        count(*) filter (where not is_before) as after_count,
        coalesce(sum(roaming_fee_amount) filter (where is_before), 0) as before_amount,
        coalesce(sum(roaming_fee_amount) filter (where not is_before), 0) as after_amount
    from stay
    group by customer_id, campaign_code, ordered_date, monthly_fee_amount
),

-- What this month's stays would have cost at the fee of a stay before the order, less what they did
-- cost and the package. Who travels less has not saved anything by the package.
final as (
    select
        {{ business_date() }} as business_date,
        customer_id,
        campaign_code,
        ordered_date,
        before_count::integer as before_count,
        after_count::integer as after_count,
        round(
            before_amount / nullif(before_count, 0) * after_count
            - after_amount
            - monthly_fee_amount,
            2
        ) as saved_amount
    from compared
)

select * from final
