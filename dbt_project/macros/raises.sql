{#- Whether a measured value raises the rule of CTE `rule_in_force`. -#}
{% macro raises(measured) -%}
    {{ compares(measured, 'rule_in_force.operator', 'rule_in_force.threshold_value') }}
{%- endmacro %}
