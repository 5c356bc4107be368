{#-
    The rows that a test looks at: dbt's own way, with `__business_date__` in the test's `where` put in
    when the test runs (what a `where` says in Jinja is fixed when dbt parses it).
-#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get("where", "") -%}
    {%- if where -%}
        (select * from {{ relation }} where {{ where | replace("__business_date__", business_date()) }})
        dbt_subquery
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}
