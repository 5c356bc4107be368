{#-
    Incremental strategy: build again from the day on from which tonight's deliveries change
    something (scripts/changed_history.py), and keep what lies before. `unique_key` names the date
    column, the model's meta `built_from` the extracts; where that column is the first of a month,
    meta `built_by` is `month`. With meta `kept_days` what is older goes.
-#}
{% macro get_incremental_replace_from_sql(arg_dict) %}
    {%- set meta = config.get("meta") %}
    delete from {{ arg_dict["target_relation"] }}
    where
        {{ arg_dict["unique_key"] }}
        >= {{ changed_from(meta["built_from"], meta.get("built_by", "day")) }}
        {%- if meta.get("kept_days") %}
        or {{ arg_dict["unique_key"] }} <= {{ business_date() }} - {{ meta["kept_days"] }}
        {%- endif %};

    {{ get_insert_into_sql(
        arg_dict["target_relation"], arg_dict["temp_relation"], arg_dict["dest_columns"]
    ) }}
{% endmacro %}
