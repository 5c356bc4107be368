{#-
    Query of the rows that a fact kept by day (strategy replace_from) holds of the last `days` days
    before those that are built again; of no rows where there is no table yet, with the types in
    `columns`.
-#}
{% macro kept_before(changed, date_column, days, columns) -%}
    {%- if is_incremental() %}
        select {{ columns | join(", ") }} from {{ this }}
        where {{ date_column }} < {{ changed }} and {{ date_column }} >= {{ changed }} - {{ days }}
    {%- else %}
        select
            {%- for column, data_type in columns.items() %}
            null::{{ data_type }} as {{ column }}{{ "," if not loop.last }}
            {%- endfor %}
        where false
    {%- endif %}
{%- endmacro %}
