-- The score of a customer with the most points of every component, whenever a version begins.
select
    component_marked.valid_from,
    sum(component_marked.full_marks) as full_marks
from (
    select
        change.valid_from,
        credit_weight.component,
        max(credit_weight.points) as full_marks
    from (select distinct valid_from from {{ ref('credit_weight') }}) as change
    inner join {{ ref('credit_weight') }} as credit_weight
        on {{ in_force('change.valid_from', 'credit_weight') }}
    group by change.valid_from, credit_weight.component
) as component_marked
group by component_marked.valid_from
having sum(component_marked.full_marks) <> 100
