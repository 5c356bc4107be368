-- A scheme without a last tier would leave customers without a mark; a tier behind it has nobody.
select
    tier_scheme.scheme_code,
    count(tier_cut.tier_code) filter (where tier_cut.operator is null) as default_count
from {{ ref('tier_scheme') }} as tier_scheme
left join {{ ref('tier_cut') }} as tier_cut
    on
        tier_scheme.scheme_code = tier_cut.scheme_code
        and {{ in_force(business_date(), 'tier_cut') }}
group by tier_scheme.scheme_code
having
    count(tier_cut.tier_code) filter (where tier_cut.operator is null) <> 1
    or max(tier_cut.tier_rank)
    is distinct from max(tier_cut.tier_rank) filter (where tier_cut.operator is null)
