-- A scheme without a last tier would leave customers without a mark; a tier behind it has nobody. So
-- it is whenever a version of its tiers begins.
select
    tier_scheme.scheme_code,
    change.valid_from,
    count(tier_cut.tier_code) filter (where tier_cut.operator is null) as default_count
from {{ ref('tier_scheme') }} as tier_scheme
cross join (select distinct valid_from from {{ ref('tier_cut') }}) as change
left join {{ ref('tier_cut') }} as tier_cut
    on
        tier_scheme.scheme_code = tier_cut.scheme_code
        and {{ in_force('change.valid_from', 'tier_cut') }}
group by tier_scheme.scheme_code, change.valid_from
having
    count(tier_cut.tier_code) filter (where tier_cut.operator is null) <> 1
