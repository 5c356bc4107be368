{#- Query of the risk rules in force on the business date, with the start of each one's window. -#}
{% macro rules_with_window(rule) -%}
    select
        {{ rule }}.*,
        {{ window_start(
            business_date(), rule ~ ".window_value * ('1 ' || " ~ rule ~ ".window_unit)::interval"
        ) }} as window_start_at
    from {{ rule }}
    where {{ in_force(business_date(), rule) }}
{%- endmacro %}
