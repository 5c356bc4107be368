{#- Whether a row with valid_from and valid_to (the first day it no longer applies) holds on a day. -#}
{% macro in_force(day, relation) -%}
    {{ relation }}.valid_from <= {{ day }}
    and ({{ relation }}.valid_to is null or {{ day }} < {{ relation }}.valid_to)
{%- endmacro %}
