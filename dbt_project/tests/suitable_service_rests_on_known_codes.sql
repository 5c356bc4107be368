-- A service whose needed code nobody can have would never be recommended.
select service.suitable_service_code, service.needed_code
from {{ ref('suitable_service') }} as service
where
    service.needed_code not in ('mobile', 'broadband', 'fixed_voice')
    and not exists (
        select 1 from {{ ref('customer_interpretation') }} as interpretation
        where interpretation.interpretation_code = service.needed_code
    )
