{#-
    A new table under its contract. Plain PostgreSQL first fills it, which it does with all its
    workers, and then sets the keys: an insert never runs in parallel. On Citus the table is made
    empty and distributed first, so that the insert runs on every shard.

    What an incremental model adds is not stored on its way: dbt's temporary relation is a view, read
    by the insert. Only a strategy that reads the model's own rows needs them before it deletes any
    (meta `reads_itself: true`).
-#}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- set is_contracted = config.get("contract").enforced -%}
    {%- set is_stored = not temporary or model.resource_type == "unit_test" or config.get("meta", {}).get("reads_itself") -%}
    {%- set distribution = "" if temporary else distribute_statement(relation) -%}
    {%- if is_contracted %}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif %}
    {%- if distribution %}
        create table {{ relation }}
        {{ get_table_columns_and_constraints() }};
        {{ distribution }};
        insert into {{ relation }} ({{ adapter.dispatch("get_column_names", "dbt")() }})
        {{ select_as_contracted(sql) }};
    {%- else %}
        create {% if temporary %}temporary {% endif %}{{ "table" if is_stored else "view" }} {{ relation }}
        as (
            {{ select_as_contracted(sql) if is_contracted and not temporary else sql }}
        );
        {%- if is_contracted and not temporary %}
            {{ add_constraints_statement(relation) }}
        {%- endif %}
    {%- endif %}
{%- endmacro %}

{#- Query of the model's columns in the contract's types, which its own may be narrower than. -#}
{% macro select_as_contracted(sql) -%}
    select
    {%- for column in model["columns"].values() %}
        {{ column.name }}::{{ column.data_type }} as {{ column.name }}{{ "," if not loop.last }}
    {%- endfor %}
    from (
        {{ sql }}
    ) as contracted
{%- endmacro %}

{#- Statement that sets what the contract says of a filled table: its key and what is never null. -#}
{% macro add_constraints_statement(relation) -%}
    {%- set actions = [] -%}
    {%- for constraint in adapter.render_raw_model_constraints(raw_constraints=model["constraints"]) -%}
        {%- do actions.append("add " ~ constraint) -%}
    {%- endfor -%}
    {%- for column in model["columns"].values() -%}
        {%- for constraint in column.get("constraints", []) -%}
            {%- if constraint.type == "not_null" -%}
                {%- do actions.append("alter column " ~ column.name ~ " set not null") -%}
            {%- else -%}
                {{ exceptions.raise_compiler_error("no column constraint of type " ~ constraint.type) }}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if actions -%}
        alter table {{ relation }} {{ actions | join(", ") }};
    {%- endif -%}
{%- endmacro %}

{#-
    Statement that distributes a new table on Citus by the model's meta, `distribution_column` or
    `reference_table: true`; nothing without either, and nothing on plain PostgreSQL.
-#}
{% macro distribute_statement(relation) -%}
    {%- set meta = config.get("meta", {}) -%}
    {%- set name = relation.include(database=false) | string -%}
    {%- if meta.get("distribution_column") or meta.get("reference_table") -%}
        {%- if run_query("select to_regproc('create_distributed_table') is not null").rows[0][0] -%}
            {%- if meta.get("reference_table") -%}
                select create_reference_table('{{ name }}')
            {%- else -%}
                select create_distributed_table('{{ name }}', '{{ meta["distribution_column"] }}')
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
