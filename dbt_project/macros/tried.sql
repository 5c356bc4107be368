{#-
    A parameter's value, or the one that is tried instead of it. The decision is a chain of views, and
    a preview asks it what it would give with other values (scripts/preview_call_list.py): it sets
    `retention.tried` to a JSON object of names and values for its own transaction. A build sets
    nothing, so what is decided rests on the seeds alone.
-#}
{% macro tried(name, value) -%}
    coalesce(
        (nullif(current_setting('retention.tried', true), '')::jsonb ->> ({{ name }}))::numeric,
        {{ value }}
    )
{%- endmacro %}
