{#- Whether a measured value raises a rule: applies the operator that the rule's row carries. -#}
{% macro compares(measured, operator, threshold) -%}
    case {{ operator }}
        when '>' then {{ measured }} > {{ threshold }}
        when '>=' then {{ measured }} >= {{ threshold }}
        when '<' then {{ measured }} < {{ threshold }}
        when '<=' then {{ measured }} <= {{ threshold }}
    end
{%- endmacro %}
