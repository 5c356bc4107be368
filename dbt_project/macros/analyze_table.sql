{#- Post-hook: statistics of a table that was just filled; a view has none. -#}
{% macro analyze_table() -%}
    {%- if config.get("materialized") != "view" -%}
    analyze {{ this }}
    {%- endif -%}
{%- endmacro %}
