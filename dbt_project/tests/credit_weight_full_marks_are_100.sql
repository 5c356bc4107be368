-- The score of a customer with the most points of every component.
select sum(component_marked.full_marks) as full_marks
from (
    select
        credit_weight.component,
        max(credit_weight.points) as full_marks
    from {{ ref('credit_weight') }} as credit_weight
    where {{ in_force(business_date(), 'credit_weight') }}
    group by credit_weight.component
) as component_marked
having sum(component_marked.full_marks) <> 100
