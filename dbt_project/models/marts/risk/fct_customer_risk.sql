{{ config(unique_key='business_date') }}

with warning as (
    select * from {{ ref('fct_risk_warning') }}
    where business_date = {{ business_date() }}
),

rule as (
    select * from {{ ref('risk_rule') }}
),

rule_in_force as (
    select * from rule
    where {{ in_force(business_date(), 'rule') }}
),

-- The worst warning comes first: highest level, then the one that has stood longest.
warning_ranked as (
    select
        warning.*,
        rule_in_force.rule_name_zh,
        row_number() over (
            partition by warning.customer_id
            order by
                {{ risk_level_rank('warning.risk_level') }} asc,
                warning.first_raised_date asc,
                warning.rule_code asc,
                warning.subscription_id asc
        ) as severity_rank
    from warning
    inner join rule_in_force on warning.rule_code = rule_in_force.rule_code
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
        count(*)::integer as warning_count,
        count(distinct subscription_id)::integer as subscription_count,
        min(first_raised_date) as first_raised_date,
        bool_or(is_new) as has_new_warning
    from warning_ranked
    group by customer_id
),

final as (
    select
        warning_ranked.business_date,
        customer_id,
        warning_ranked.risk_level as highest_risk_level,
        warning_ranked.subscription_id as worst_subscription_id,
        warning_ranked.rule_code as worst_rule_code,
        customer_told.rule_codes,
        customer_told.rule_names_zh,
        customer_counted.warning_count,
        customer_counted.subscription_count,
        customer_counted.first_raised_date,
        customer_counted.has_new_warning
    from warning_ranked
    inner join customer_told using (customer_id)
    inner join customer_counted using (customer_id)
    where warning_ranked.severity_rank = 1
)

select * from final
