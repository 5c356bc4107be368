{#-
    dbt's own way to create a table under an enforced contract (create, then insert), with one step
    in between: on Citus the empty table is distributed, so that the insert runs on every shard.
    Plain PostgreSQL has no citus extension, and there the step does nothing.

    What an incremental model adds is not stored on its way: dbt's temporary relation is a view, read
    by the insert. Only a strategy that reads the model's own rows needs them before it deletes any
    (meta `reads_itself: true`).
-#}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- set is_contracted = config.get("contract").enforced -%}
    {%- set is_stored = not temporary or model.resource_type == "unit_test" or config.get("meta", {}).get("reads_itself") -%}
    create {% if temporary %}temporary {% endif %}{{ "table" if is_stored else "view" }} {{ relation }}
    {%- if is_contracted %}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif %}
    {%- if is_contracted and not temporary %}
        {{ get_table_columns_and_constraints() }};
        {{ distribute_table(relation) }}
        insert into {{ relation }} ({{ adapter.dispatch("get_column_names", "dbt")() }})
        {%- set sql = get_select_subquery(sql) %}
    {%- else %}
        as
    {%- endif %}
    ({{ sql }});
{%- endmacro %}

{#- Distribute a new table by the model's meta: `distribution_column`, or `reference_table: true`. -#}
{% macro distribute_table(relation) -%}
    {%- set meta = config.get("meta", {}) -%}
    {%- if meta.get("distribution_column") or meta.get("reference_table") %}
    do $$
    begin
        if exists (select 1 from pg_extension where extname = 'citus') then
            {%- if meta.get("reference_table") %}
            perform create_reference_table('{{ relation.include(database=false) }}');
            {%- else %}
            perform create_distributed_table(
                '{{ relation.include(database=false) }}', '{{ meta["distribution_column"] }}'
            );
            {%- endif %}
        end if;
    end $$;
    {%- endif %}
{%- endmacro %}
