{#-
    Incremental strategy: replace the days this build is for. Unlike delete+insert it also empties a
    day that has no rows any more. `unique_key` names the date column.
-#}
{% macro get_incremental_replace_dates_sql(arg_dict) %}
    delete from {{ arg_dict["target_relation"] }}
    where
        {% if arg_dict["unique_key"] == "observation_date" -%}
        observation_date = any({{ observation_dates() }})
        {%- else -%}
        {{ arg_dict["unique_key"] }} = {{ business_date() }}
        {%- endif %};

    {{ get_insert_into_sql(
        arg_dict["target_relation"], arg_dict["temp_relation"], arg_dict["dest_columns"]
    ) }}
{% endmacro %}
