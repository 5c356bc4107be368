{#- No two rows of a key hold on the same day: what is in force would count twice. -#}
{% test has_one_version_in_force(model, key) %}
    select
        one.version,
        other.version as other_version
    from {{ model }} as one
    inner join {{ model }} as other
        on
            one.ctid < other.ctid
            {%- for column in key %}
            and one.{{ column }} is not distinct from other.{{ column }}
            {%- endfor %}
            and one.valid_from < coalesce(other.valid_to, 'infinity'::date)
            and other.valid_from < coalesce(one.valid_to, 'infinity'::date)
{% endtest %}
