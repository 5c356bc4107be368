-- Two versions of an interpretation in force on one day would tell it twice.
select
    one.interpretation_code,
    one.version,
    other.version as other_version
from {{ ref('customer_interpretation') }} as one
inner join {{ ref('customer_interpretation') }} as other
    on
        one.interpretation_code = other.interpretation_code
        and one.version < other.version
        and one.valid_from < coalesce(other.valid_to, 'infinity'::date)
        and other.valid_from < coalesce(one.valid_to, 'infinity'::date)
