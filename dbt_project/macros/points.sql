{#-
    Points by cuts: a seed says for each component from which value on it gives how many points, and
    in a row without a value what it gives where nothing is known.
-#}

{#- Query: the cuts in force on each as-of date as arrays, one row per component. -#}
{% macro listed_cuts(cut) -%}
    select
        as_of.as_of_date,
        {{ cut }}.component,
        array_agg({{ cut }}.from_value order by {{ cut }}.from_value)
            filter (where {{ cut }}.from_value is not null) as from_values,
        array_agg({{ cut }}.points order by {{ cut }}.from_value)
            filter (where {{ cut }}.from_value is not null) as points,
        max({{ cut }}.points) filter (where {{ cut }}.from_value is null) as unknown_points
    from ({{ as_of_dates() }}) as as_of
    inner join {{ cut }} on {{ in_force("as_of.as_of_date", cut) }}
    group by as_of.as_of_date, {{ cut }}.component
{%- endmacro %}

{#- Points of a value by the listed cuts of its component; of a value below all cuts as of none. -#}
{% macro points_of(value, cut) -%}
    coalesce({{ cut }}.points[width_bucket({{ value }}, {{ cut }}.from_values)], {{ cut }}.unknown_points, 0)
{%- endmacro %}
