{#- A parameter of the decision as a column: the value of its row, or the one that is tried. -#}
{% macro retention_parameter(name) -%}
    max({{ tried('parameter_name', 'parameter_value') }}) filter (
            where parameter_name = '{{ name }}'
        )
{%- endmacro %}
