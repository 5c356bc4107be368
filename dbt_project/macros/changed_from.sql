{#-
    The day (date literal) from which tonight's deliveries of an extract, such as
    'usage.mobile_daily', change something; with unit 'month' the first day of its month. What lies
    before was built on earlier nights and stays. Without the variable: everything is built.
    A literal, so that the planner leaves the partitions before it alone.
-#}
{% macro changed_from(extract, unit="day") -%}
    {%- set day = var("changed_from", {})[extract] | default("1900-01-01") | string -%}
    date '{{ day[:7] ~ "-01" if unit == "month" else day }}'
{%- endmacro %}
