{#-
    Incremental strategy: a model that goes on from what it held replaces all of it. Needs meta
    `reads_itself: true`, so that the new rows are stored before the old ones go.
-#}
{% macro get_incremental_replace_all_sql(arg_dict) %}
    truncate {{ arg_dict["target_relation"] }};

    {{ get_insert_into_sql(
        arg_dict["target_relation"], arg_dict["temp_relation"], arg_dict["dest_columns"]
    ) }}
{% endmacro %}
