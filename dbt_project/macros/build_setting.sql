{#-
    A setting of this build: from the environment, where scripts/run_dbt.py puts them as JSON, or from
    --vars. dbt parses the whole project anew when a variable changes, and not when this does. So
    nothing that is fixed while parsing (a `config`) may rest on it.
-#}
{% macro build_setting(name, default=none) -%}
    {%- set settings = fromjson(dbt_metadata_envs.get("BUILD", "{}")) -%}
    {%- set value = var(name, settings.get(name, default)) -%}
    {%- if value is none and execute -%}
        {{ exceptions.raise_compiler_error("this build was not told its " ~ name) }}
    {%- endif -%}
    {{ return(value) }}
{%- endmacro %}
