with rule as (
    select * from {{ ref('risk_rule') }}
    where measure = 'hazard_area_rank'
),

test as (
    select * from {{ ref('int_copper_tested') }}
    where as_of_date = {{ business_date() }} and hazard_count > 0
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }} and cross_connect_area_id is not null
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

line_hazardous as (
    select
        subscription.subscription_id,
        subscription.cross_connect_area_id
    from test
    inner join subscription on test.subscription_id = subscription.subscription_id
),

-- The area with the most hazardous lines comes first; of equal ones the first by its code.
area_ranked as (
    select
        cross_connect_area_id,
        count(*) as hazardous_line_count,
        row_number() over (order by count(*) desc, cross_connect_area_id asc) as area_rank
    from line_hazardous
    group by cross_connect_area_id
),

final as (
    select
        line_hazardous.subscription_id,
        rule_in_force.rule_code,
        area_ranked.area_rank::numeric as measured_value,
        jsonb_build_object(
            'cross_connect_area_id', area_ranked.cross_connect_area_id,
            'hazardous_line_count', area_ranked.hazardous_line_count
        ) as evidence
    from rule_in_force
    cross join line_hazardous
    inner join area_ranked
        on line_hazardous.cross_connect_area_id = area_ranked.cross_connect_area_id
    where {{ raises('area_ranked.area_rank') }}
)

select * from final
