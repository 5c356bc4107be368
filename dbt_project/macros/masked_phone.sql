{#- A phone number as people without need of it may see it: 136****8475. -#}
{% macro masked_phone(phone) -%}
    left({{ phone }}, 3) || '****' || right({{ phone }}, 4)
{%- endmacro %}
