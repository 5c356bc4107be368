{#-
    Whether a delivery can hold events of the last `days` days before the earliest as-of date and up
    to the business date: nothing is delivered before it has happened. Literals, so that the planner
    leaves the partitions before them alone.
-#}
{% macro delivered_within(days) -%}
    {%- set dates = [var("business_date")] + (var("observation_dates", []) | list) -%}
    business_date > date '{{ dates | map("string") | min }}' - {{ days }}
    and business_date <= {{ business_date() }}
{%- endmacro %}
