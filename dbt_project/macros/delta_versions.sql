{#-
    Query, for a delta: every version of a row with `superseded_at`, when the next one of its key
    changed it. One sort serves all as-of dates: each version holds until the next one. `deliveries`
    names the CTE that reads the extract.
-#}
{% macro delta_versions(deliveries, key) -%}
    select
        {{ deliveries }}.*,
        lead({{ deliveries }}.changed_at) over (
            partition by {{ key }}
            order by
                {{ deliveries }}.changed_at,
                {{ deliveries }}.business_date,
                {{ deliveries }}.extract_load_id
        ) as superseded_at
    from {{ deliveries }}
{%- endmacro %}

{#- Whether a version of a row is the one that holds at the end of a day. -#}
{% macro holds_at_end_of(day, version) -%}
    {{ version }}.changed_at < {{ end_of(day) }}
    and ({{ version }}.superseded_at is null or {{ version }}.superseded_at >= {{ end_of(day) }})
{%- endmacro %}
