{#-
    First day from which tonight's deliveries of an extract, or of any of several, change what is kept
    of the past (scripts/changed_history.py), as a literal, so that the planner leaves out the months
    before; by month, the first of its month. Without the setting everything is built.
-#}
{% macro changed_from(extracts, unit="day") -%}
    {%- set names = [extracts] if extracts is string else extracts -%}
    {%- set changed = build_setting("changed_from", {}) -%}
    {%- set days = [] -%}
    {%- for name in names -%}
        {%- do days.append(changed[name] if name in changed else "1900-01-01") -%}
    {%- endfor -%}
    {%- set day = days | min -%}
    date '{{ day[:8] ~ "01" if unit == "month" else day }}'
{%- endmacro %}
