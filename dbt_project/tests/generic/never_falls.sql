{#- A value does not fall from row to row along a column, within each combination of others. -#}
{% test never_falls(model, value, along, within) %}
    select * from (
        select
            {{ value }} as value_here,
            lag({{ value }}) over (
                partition by {{ within | join(", ") }} order by {{ along }}
            ) as value_before
        from {{ model }}
    ) as compared
    where value_here < value_before
{% endtest %}
