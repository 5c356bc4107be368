{#-
    Incremental strategy for periods of validity that are too many to be given anew each night (as
    replace_validity wants them): the model itself compares with what stood before tonight
    (valid_from before the business date, valid_to not before it) and gives only the rows that end,
    with valid_to = the business date, and those that begin. What this night or a later one wrote is
    taken back first, so that a repeated night changes nothing and a past one gives what it gave.
    `unique_key` lists the columns of the key, valid_from among them. Needs meta `reads_itself: true`.
-#}
{% macro get_incremental_change_validity_sql(arg_dict) %}
    {%- set target = arg_dict["target_relation"] %}
    {{ take_back_periods(target) }}

    delete from {{ target }} as held
    using {{ arg_dict["temp_relation"] }} as tonight
    where
        {%- for column in arg_dict["unique_key"] %}
        held.{{ column }} = tonight.{{ column }}{{ " and" if not loop.last else ";" }}
        {%- endfor %}

    {{ get_insert_into_sql(target, arg_dict["temp_relation"], arg_dict["dest_columns"]) }}
{% endmacro %}
