{#- The months that tonight's deliveries change, of what a customer's months are made of. -#}

{#-
    Query of the days of those that are over, with the month of each: looked up, since to find it anew
    for every row costs more than to read it.
-#}
{% macro days_of_months_over() -%}
    select
        day::date as usage_date,
        date_trunc('month', day)::date as calendar_month
    from
        generate_series(
            {{ changed_from(var("customer_month_extracts"), "month") }}::timestamp,
            date_trunc('month', {{ business_date() }}) - interval '1 day',
            interval '1 day'
        ) as day
{%- endmacro %}

{#- Query of the month that runs; of no row if nothing changes it. -#}
{% macro month_that_runs() -%}
    select date_trunc('month', {{ business_date() }})::date as calendar_month
    where
        {{ changed_from(var("customer_month_extracts"), "month") }}
        <= date_trunc('month', {{ business_date() }})
{%- endmacro %}
