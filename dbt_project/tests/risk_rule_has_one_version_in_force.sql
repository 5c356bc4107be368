-- Two versions of a rule in force on one day would raise every warning twice.
select
    one.rule_code,
    one.version,
    other.version as other_version
from {{ ref('risk_rule') }} as one
inner join {{ ref('risk_rule') }} as other
    on
        one.rule_code = other.rule_code
        and one.version < other.version
        and one.valid_from < coalesce(other.valid_to, 'infinity'::date)
        and other.valid_from < coalesce(one.valid_to, 'infinity'::date)
