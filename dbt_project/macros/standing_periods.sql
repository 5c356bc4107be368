{#- Periods of validity (valid_from, valid_to) as the nights before tonight left them. -#}

{#-
    Query of what held before tonight in the model's own table, whatever this or a later night has
    written there already; of no rows where there is no table yet, with the types in `columns`.
-#}
{% macro standing_periods(columns) -%}
    {%- if is_incremental() %}
        select * from {{ this }}
        where
            valid_from < {{ business_date() }}
            and (valid_to is null or valid_to >= {{ business_date() }})
    {%- else %}
        select
            {%- for column, data_type in columns.items() %}
            null::{{ data_type }} as {{ column }}{{ "," if not loop.last }}
            {%- endfor %}
        where false
    {%- endif %}
{%- endmacro %}

{#- Statements that take back what this night or a later one wrote, in part or (`replaced`) whole. -#}
{% macro take_back_periods(target, replaced="false") -%}
    delete from {{ target }} where ({{ replaced }}) or valid_from >= {{ business_date() }};

    update {{ target }} set valid_to = null where valid_to >= {{ business_date() }};
{%- endmacro %}

{#-
    Query of the periods that end tonight and those that begin, for strategy change_validity: what the
    CTE `standing` holds and the CTE `tonight` gives no longer or otherwise, and the reverse. `judged`
    is a condition on `standing`: what does not keep to it was not judged tonight and goes on.
-#}
{% macro changed_periods(keys, columns, judged="true") -%}
    {%- set standing = "(standing." ~ columns | join(", standing.") ~ ")" -%}
    {%- set tonight = "(tonight." ~ columns | join(", tonight.") ~ ")" %}
    select
        {{ keys | join(", ") }},
        standing.{{ columns | join(", standing.") }},
        standing.valid_from,
        {{ business_date() }} as valid_to
    from standing
    left join tonight using ({{ keys | join(", ") }})
    where
        {{ judged }}
        and (tonight.{{ columns[0] }} is null or {{ standing }} is distinct from {{ tonight }})
    union all
    select
        {{ keys | join(", ") }},
        tonight.{{ columns | join(", tonight.") }},
        {{ business_date() }} as valid_from,
        null::date as valid_to
    from tonight
    left join standing using ({{ keys | join(", ") }})
    where standing.valid_from is null or {{ standing }} is distinct from {{ tonight }}
{%- endmacro %}
