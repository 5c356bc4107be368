{#-
    Post-hook: statistics of a table that was just filled; a view has none. A small sample, as for
    raw: the tables are read whole or by key, and many columns make a large one cost seconds.
-#}
{% macro analyze_table() -%}
    {%- if config.get("materialized") != "view" -%}
    set local default_statistics_target = 20;
    analyze {{ this }}
    {%- endif -%}
{%- endmacro %}
