{{ config(unique_key='business_date') }}

with raised as (
    select * from {{ ref('int_subscription_risk_raised') }}
),

rule as (
    select * from {{ ref('risk_rule') }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

previous_night as (
    {%- if is_incremental() %}
        select
            subscription_id,
            rule_code,
            first_raised_date
        from {{ this }}
        where
            business_date = (
                select max(earlier.business_date) as latest_date
                from {{ this }} as earlier
                where earlier.business_date < {{ business_date() }}
            )
    {%- else %}
        select
            null::text as subscription_id,
            null::text as rule_code,
            null::date as first_raised_date
    {%- endif %}
),

final as (
    select
        raised.business_date,
        raised.customer_id,
        raised.subscription_id,
        raised.rule_code,
        rule_in_force.risk_level,
        raised.measured_value,
        rule_in_force.threshold_value,
        raised.evidence,
        coalesce(previous_night.first_raised_date, raised.business_date) as first_raised_date,
        previous_night.first_raised_date is null as is_new
    from raised
    inner join rule_in_force on raised.rule_code = rule_in_force.rule_code
    left join previous_night
        on
            raised.subscription_id = previous_night.subscription_id
            and raised.rule_code = previous_night.rule_code
)

select * from final
