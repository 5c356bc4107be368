{#-
    Incremental strategy of a history: rows with valid_from and valid_to (the first day they no
    longer apply). The model returns only the rows that tonight changes, as tonight leaves them:
    those that end, with valid_to = the business date, and those that begin. It compares with what
    stood before tonight: valid_from before the business date, valid_to not before it.
    What this or a later night has written is undone first, so that a night can be repeated, and a
    past night leaves what it left then. `unique_key` lists the columns of the key, with valid_from.
-#}
{% macro get_incremental_replace_validity_sql(arg_dict) %}
    delete from {{ arg_dict["target_relation"] }}
    where valid_from >= {{ business_date() }};

    update {{ arg_dict["target_relation"] }}
    set valid_to = null
    where valid_to >= {{ business_date() }};

    delete from {{ arg_dict["target_relation"] }} as target
    using {{ arg_dict["temp_relation"] }} as tonight
    where
        {%- for column in arg_dict["unique_key"] %}
        target.{{ column }} = tonight.{{ column }}{{ " and" if not loop.last else ";" }}
        {%- endfor %}

    {{ get_insert_into_sql(
        arg_dict["target_relation"], arg_dict["temp_relation"], arg_dict["dest_columns"]
    ) }}
{% endmacro %}
