{#-
    Cast of dbt's unit tests. The information schema calls every array type ARRAY, to which nothing
    can be cast; the arrays of this project all hold text.
-#}
{% macro postgres__safe_cast(field, type) -%}
    cast({{ field }} as {{ "text[]" if type == "ARRAY" else type }})
{%- endmacro %}
