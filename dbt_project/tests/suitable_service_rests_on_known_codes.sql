-- A service whose needed code nobody can have would never be recommended.
select
    suitable_service.suitable_service_code,
    suitable_service.needed_code
from {{ ref('suitable_service') }} as suitable_service
left join {{ ref('customer_interpretation') }} as interpretation
    on suitable_service.needed_code = interpretation.interpretation_code
where
    interpretation.interpretation_code is null
    and suitable_service.needed_code not in ('broadband', 'mobile', 'fixed_voice')
