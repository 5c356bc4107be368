-- A night in which every team is full must not be refused by the ceiling of publishing, whenever a
-- version of either begins.
select
    change.valid_from,
    sum(team_capacity.capacity) as capacity
from (
    select valid_from from {{ ref('team_capacity') }}
    union distinct
    select valid_from from {{ ref('retention_parameter') }}
) as change
inner join {{ ref('team_capacity') }} as team_capacity
    on team_capacity.window_days = 1 and {{ in_force('change.valid_from', 'team_capacity') }}
group by change.valid_from
having
    sum(team_capacity.capacity) > (
        select max(parameter.parameter_value) as ceiling
        from {{ ref('retention_parameter') }} as parameter
        where
            parameter.parameter_name = 'call_list_capacity'
            and {{ in_force('change.valid_from', 'parameter') }}
    )
