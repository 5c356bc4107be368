with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'line_hazard_count'
),

test as (
    select * from {{ ref('int_copper_tested') }}
    where as_of_date = {{ business_date() }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

final as (
    select
        test.subscription_id,
        rule_in_force.rule_code,
        test.hazard_count::numeric as measured_value,
        jsonb_build_object('tested_at', {{ local_text('test.tested_at') }}) as evidence
    from rule_in_force
    cross join test
    where {{ raises('test.hazard_count') }}
)

select * from final
