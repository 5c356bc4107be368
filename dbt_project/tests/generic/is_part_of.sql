{#- Every combination of the columns also stands in another model. -#}
{% test is_part_of(model, columns, whole) %}
    select {{ columns | join(", ") }} from {{ model }}
    except
    select {{ columns | join(", ") }} from {{ whole }}
{% endtest %}
