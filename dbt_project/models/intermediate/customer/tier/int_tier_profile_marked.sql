with assigned as (
    select * from {{ ref('int_tier_profile_assigned') }}
),

segmented as (
    select * from {{ ref('int_tier_profile_segmented') }}
),

treatment as (
    select * from {{ ref('tier_treatment') }}
),

profile_treated as (
    select distinct on (assigned.profile_key)
        assigned.profile_key,
        treatment.tier_treatment_code,
        treatment.has_account_manager
    from assigned
    inner join treatment
        on
            assigned.scheme_code = treatment.scheme_code
            and assigned.tier_code = treatment.tier_code
            and {{ in_force(business_date(), 'treatment') }}
    order by assigned.profile_key asc, treatment.priority_rank asc
),

profile_segmented as (
    select
        profile_key,
        bool_or(segment_code = 'flea') as is_flea,
        bool_or(segment_code = 'loyal_low_arpu') as is_loyal_low_arpu
    from segmented
    group by profile_key
),

profile_tiered as (
    select
        profile_key,
        max(tier_code) filter (where scheme_code = 'value') as value_tier,
        max(tier_code) filter (where scheme_code = 'mobile') as mobile_tier,
        max(tier_code) filter (where scheme_code = 'telecom') as telecom_tier,
        max(tier_code) filter (where scheme_code = 'unicom') as unicom_tier,
        max(tier_code) filter (where scheme_code = 'spend') as spend_segment,
        max(tier_code) filter (where scheme_code = 'need') as need_segment,
        max(tier_code) filter (where scheme_code = 'importance') as importance_segment
    from assigned
    group by profile_key
),

-- A flea may spend little for a while and pay it: it stays a flea.
final as (
    select
        {{ business_date() }} as business_date,
        profile_tiered.profile_key,
        profile_tiered.value_tier,
        profile_tiered.mobile_tier,
        profile_tiered.telecom_tier,
        profile_tiered.unicom_tier,
        profile_tiered.spend_segment,
        profile_tiered.need_segment,
        profile_tiered.importance_segment,
        profile_treated.tier_treatment_code,
        coalesce(profile_treated.has_account_manager, false) as has_account_manager,
        coalesce(profile_segmented.is_flea, false) as is_flea_customer,
        coalesce(profile_segmented.is_loyal_low_arpu and not profile_segmented.is_flea, false)
            as is_loyal_low_arpu
    from profile_tiered
    left join profile_treated on profile_tiered.profile_key = profile_treated.profile_key
    left join profile_segmented on profile_tiered.profile_key = profile_segmented.profile_key
)

select * from final
