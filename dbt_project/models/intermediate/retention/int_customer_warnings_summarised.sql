with warning as (
    select * from {{ ref('fct_risk_warning') }}
    where business_date = {{ business_date() }}
),

rule as (
    select * from {{ ref('risk_rule') }}
),

parameter as (
    select * from {{ ref('retention_parameter') }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

-- The worst warning comes first: highest weight, then the one that has stood longest.
warning_ranked as (
    select
        warning.business_date,
        warning.customer_id,
        warning.subscription_id,
        warning.rule_code,
        warning.risk_level,
        parameter.parameter_value as risk_weight,
        rule_in_force.rule_name_zh,
        row_number() over (
            partition by warning.customer_id
            order by
                parameter.parameter_value desc,
                warning.first_raised_date asc,
                warning.rule_code asc,
                warning.subscription_id asc
        ) as severity_rank
    from warning
    inner join rule_in_force on warning.rule_code = rule_in_force.rule_code
    inner join parameter on 'risk_weight_' || warning.risk_level = parameter.parameter_name
),

-- Two lines of a customer may raise the same rule; it is told once, where it weighs most.
rule_told as (
    select
        customer_id,
        rule_code,
        rule_name_zh,
        min(severity_rank) as severity_rank
    from warning_ranked
    group by customer_id, rule_code, rule_name_zh
),

customer_told as (
    select
        customer_id,
        array_agg(rule_code order by rule_code) as rule_codes,
        string_agg(rule_name_zh, '、' order by severity_rank) as rule_names_zh
    from rule_told
    group by customer_id
),

customer_counted as (
    select
        customer_id,
        count(*)::integer as warning_count
    from warning_ranked
    group by customer_id
),

final as (
    select
        warning_ranked.business_date,
        warning_ranked.customer_id,
        warning_ranked.subscription_id as worst_subscription_id,
        warning_ranked.risk_level as highest_risk_level,
        customer_told.rule_codes,
        customer_told.rule_names_zh,
        customer_counted.warning_count,
        warning_ranked.risk_weight
    from warning_ranked
    inner join customer_told on warning_ranked.customer_id = customer_told.customer_id
    inner join customer_counted on warning_ranked.customer_id = customer_counted.customer_id
    where warning_ranked.severity_rank = 1
)

select * from final
