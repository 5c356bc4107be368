{#- Every row keeps to an expression; a null counts as keeping to it. -#}
{% test holds(model, expression) %}
    select * from {{ model }}
    where not ({{ expression }})
{% endtest %}
