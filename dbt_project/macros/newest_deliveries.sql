{#-
    Query, for a snapshot: each as-of date with the newest delivery at or before it, null where
    there is none. `deliveries` names the CTE that reads the extract; it must not be materialised,
    so that the newest delivery is found in the index on business_date.
-#}
{% macro newest_deliveries(deliveries) -%}
    select
        as_of.as_of_date,
        (
            select max({{ deliveries }}.business_date) as newest_date
            from {{ deliveries }}
            where {{ deliveries }}.business_date <= as_of.as_of_date
        ) as delivered_date
    from ({{ as_of_dates() }}) as as_of
{%- endmacro %}
