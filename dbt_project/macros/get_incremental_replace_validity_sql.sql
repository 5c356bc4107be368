{#-
    Incremental strategy for periods of validity (columns valid_from, valid_to). The model gives what
    holds tonight, beginning tonight and without an end. What holds already and is the same in all
    other columns goes on; the rest of what held ends tonight; what is new begins. Before that,
    whatever this night or a later one wrote is taken back, so that a repeated night changes nothing
    and a past one gives what it gave. `unique_key` lists the columns that say what is valid (no
    nulls). Needs meta `reads_itself: true`. Rows for which the condition in meta `replaced_where`
    holds have validity of their own and are replaced as a whole.
-#}
{% macro get_incremental_replace_validity_sql(arg_dict) %}
    {%- set target = arg_dict["target_relation"] -%}
    {%- set temp = arg_dict["temp_relation"] -%}
    {%- set replaced = config.get("meta").get("replaced_where", "false") -%}
    {%- set columns = arg_dict["dest_columns"] | map(attribute="name") | list -%}
    {%- set same = [] -%}
    {%- for column in columns if column not in ("valid_from", "valid_to") -%}
        {%- set equal = "=" if column in arg_dict["unique_key"] else "is not distinct from" -%}
        {%- do same.append("held." ~ column ~ " " ~ equal ~ " tonight." ~ column) -%}
    {%- endfor %}
    {{ take_back_periods(target, replaced) }}

    update {{ target }} as held set valid_to = {{ business_date() }}
    where
        held.valid_to is null
        and not exists (select 1 from {{ temp }} as tonight where {{ same | join(" and ") }});

    insert into {{ target }} ({{ columns | join(", ") }})
    select {{ columns | join(", ") }} from {{ temp }} as tonight
    where
        ({{ replaced }})
        or not exists (
            select 1 from {{ target }} as held
            where held.valid_to is null and {{ same | join(" and ") }}
        );
{% endmacro %}
