with subscription as (
    select * from {{ ref('int_subscription_dated') }}
    where as_of_date = {{ business_date() }} and product_type = 'mobile'
),

same_person as (
    select * from {{ ref('int_customer_same_person') }}
),

rule as (
    select * from {{ ref('segment_rule') }}
),

rule_in_force as (
    select
        rule.measure,
        rule.window_value * ('1 ' || rule.window_unit)::interval as window_length
    from rule
    where {{ in_force(business_date(), 'rule') }}
),

rule_window as (
    select
        max(window_length) filter (where measure = 'opened_number_count') as opened_within,
        max(window_length) filter (where measure = 'early_passive_end_count') as ended_within
    from rule_in_force
),

-- The operator ends a service for what is not paid: such an end is a debt left behind.
number_opened as (
    select
        coalesce(same_person.person_customer_id, subscription.customer_id) as person_customer_id,
        subscription.termination_kind = 'passive'
        and subscription.terminated_at < {{ end_of(business_date()) }}
        and subscription.terminated_at < subscription.activated_at + rule_window.ended_within
            as is_early_passive_end
    from subscription
    cross join rule_window
    left join same_person on subscription.customer_id = same_person.customer_id
    where
        subscription.activated_at < {{ end_of(business_date()) }}
        and subscription.activated_at
        >= {{ window_start(business_date(), 'rule_window.opened_within') }}
),

person_counted as (
    select
        person_customer_id,
        count(*)::integer as opened_number_count,
        (count(*) filter (where is_early_passive_end))::integer as early_passive_end_count
    from number_opened
    group by person_customer_id
    having bool_or(is_early_passive_end)
),

person_record as (
    select
        customer_id,
        person_customer_id
    from same_person
    union all
    select
        person_counted.person_customer_id as customer_id,
        person_counted.person_customer_id
    from person_counted
),

final as (
    select
        {{ business_date() }} as business_date,
        person_record.customer_id,
        person_counted.person_customer_id,
        person_counted.opened_number_count,
        person_counted.early_passive_end_count
    from person_counted
    inner join person_record
        on person_counted.person_customer_id = person_record.person_customer_id
)

select * from final
