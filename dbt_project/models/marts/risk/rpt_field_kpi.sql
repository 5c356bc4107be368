{{ config(unique_key='business_date') }}

with counted as (
    select * from {{ ref('int_field_work_counted') }}
),

customer as (
    select * from {{ ref('stg_crm__customer') }}
    where as_of_date = {{ business_date() }} and region is not null
),

final as (
    select
        {{ business_date() }} as business_date,
        {%- for kpi, event, bad in [
            ('repair', 'repair', 'urged_repair'),
            ('install', 'install', 'urged_install'),
            ('field_work', 'field_work', 'field_complaint'),
            ('satisfaction', 'survey_12m', 'discontent_12m'),
        ] %}
            coalesce(sum(counted.event_count) filter (where counted.kpi = '{{ kpi }}'), 0)::integer
                as {{ event }}_count,
            coalesce(sum(counted.bad_count) filter (where counted.kpi = '{{ kpi }}'), 0)::integer
                as {{ bad }}_count,
            round(
                sum(counted.bad_count) filter (where counted.kpi = '{{ kpi }}')
                / nullif(sum(counted.event_count) filter (where counted.kpi = '{{ kpi }}'), 0), 4
            ) as {{ bad }}_share,
        {%- endfor %}
        customer.region
    from counted
    inner join customer on counted.customer_id = customer.customer_id
    group by customer.region
)

select * from final
