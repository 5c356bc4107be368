{#-
    Incremental strategy for what stands as of a day and goes on from an earlier one: tonight's days
    are written anew, and kept are the nights before of the last meta `kept_days` that no delivery
    has changed since (scripts/changed_history.py; meta `built_from` names the extract).

    What holds no more goes first, so that nothing goes on from it. The rest and tonight's rows are
    written to a table that takes the model's place: to copy the few nights that are kept and to set
    the key afterwards takes a quarter of the time of adding rows to a table with a key. Views on the
    model go with the old table, as they do for any model that is a table.
-#}
{% macro get_incremental_replace_as_of_sql(arg_dict) %}
    {%- set target = arg_dict["target_relation"] -%}
    {%- set renewed = target.incorporate(path={"identifier": target.identifier ~ "__renewed"}) -%}
    {%- set meta = config.get("meta") -%}
    {%- set columns = arg_dict["dest_columns"] | map(attribute="name") | join(", ") -%}
    {%- set kept_and_new -%}
        select {{ columns }} from {{ target }}
        where as_of_date > {{ business_date() }} - {{ meta["kept_days"] }}
        union all
        select {{ columns }} from {{ arg_dict["temp_relation"] }}
    {%- endset -%}
    {%- do adapter.cache_dropped(target) %}
    delete from {{ target }}
    where
        as_of_date >= {{ changed_from(meta["built_from"]) }}
        or as_of_date in ({{ as_of_dates() }});

    drop table if exists {{ renewed }};
    {{ create_table_as(False, renewed, kept_and_new) }}
    drop view {{ arg_dict["temp_relation"] }};
    drop table {{ target }} cascade;
    alter table {{ renewed }} rename to {{ target.identifier }};
{% endmacro %}
