with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'downstream_loss'
),

reading as (
    select * from {{ ref('int_optical_latest') }}
    where as_of_date = {{ business_date() }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

final as (
    select
        reading.subscription_id,
        rule_in_force.rule_code,
        reading.optical_loss_db as measured_value,
        jsonb_build_object('measured_at', {{ local_text('reading.measured_at') }}) as evidence
    from rule_in_force
    cross join reading
    where {{ raises('reading.optical_loss_db') }}
)

select * from final
