with profile as (
    select * from {{ ref('int_tier_profile_measured') }}
),

tier_cut as (
    select * from {{ ref('tier_cut') }}
),

-- The first tier of which a condition holds; the last one of a scheme has none.
final as (
    select distinct on (profile.profile_key, tier_cut.scheme_code)
        profile.business_date,
        profile.profile_key,
        tier_cut.scheme_code,
        tier_cut.tier_code,
        tier_cut.tier_rank,
        tier_cut.measure
    from profile
    inner join tier_cut
        on
            {{ in_force(business_date(), 'tier_cut') }}
            and (
                tier_cut.operator is null
                or {{ compares(
                    tier_measure('tier_cut.measure', 'profile'),
                    'tier_cut.operator',
                    'tier_cut.threshold_value'
                ) }}
            )
    order by
        profile.profile_key asc,
        tier_cut.scheme_code asc,
        tier_cut.tier_rank asc,
        tier_cut.measure asc
)

select * from final
