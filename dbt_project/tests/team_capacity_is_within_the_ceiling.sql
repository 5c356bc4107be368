-- A night in which every team is full must not be refused by the ceiling of publishing.
select sum(team_capacity.capacity) as capacity
from {{ ref('team_capacity') }} as team_capacity
where team_capacity.window_days = 1 and {{ in_force(business_date(), 'team_capacity') }}
having
    sum(team_capacity.capacity) > (
        select max(parameter.parameter_value) as ceiling
        from {{ ref('retention_parameter') }} as parameter
        where
            parameter.parameter_name = 'call_list_capacity'
            and {{ in_force(business_date(), 'parameter') }}
    )
