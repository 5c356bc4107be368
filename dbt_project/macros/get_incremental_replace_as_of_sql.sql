{#-
    Incremental strategy for what stands as of a day and goes on from an earlier one: tonight's days
    are written anew, and kept are the nights before of the last meta `kept_days` that no delivery
    has changed since (scripts/changed_history.py; meta `built_from` names the extract).
-#}
{% macro get_incremental_replace_as_of_sql(arg_dict) %}
    {%- set meta = config.get("meta") %}
    delete from {{ arg_dict["target_relation"] }}
    where
        as_of_date >= {{ changed_from(meta["built_from"]) }}
        or as_of_date in ({{ as_of_dates() }})
        or as_of_date <= {{ business_date() }} - {{ meta["kept_days"] }};

    {{ get_insert_into_sql(
        arg_dict["target_relation"], arg_dict["temp_relation"], arg_dict["dest_columns"]
    ) }}
{% endmacro %}
