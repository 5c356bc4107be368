{#- Whether a line is held at a moment: activated before it and not terminated until then. -#}
{% macro is_held_at(moment, subscription) -%}
    {{ subscription }}.activated_at < {{ moment }}
    and (
        {{ subscription }}.terminated_at is null
        or {{ subscription }}.terminated_at >= {{ moment }}
    )
{%- endmacro %}
