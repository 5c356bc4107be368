{#- Risk levels (风险级别) and their ranks, the most severe first: high is 1. -#}
{% macro risk_level_rank(risk_level) -%}
    array_position(array['high', 'medium', 'low'], {{ risk_level }})
{%- endmacro %}

{% macro risk_level_at(rank) -%}
    (array['high', 'medium', 'low'])[{{ rank }}]
{%- endmacro %}
