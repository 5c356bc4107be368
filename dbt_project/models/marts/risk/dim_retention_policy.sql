-- A table: the policies as delivered last, with the past ones and those to come.
{{ config(materialized='table') }}

with recursive policy as (
    select * from {{ ref('int_policy_numbered') }}
),

-- Two policies for some of the same customers on some of the same days.
overlap as (
    select
        policy.policy_number,
        other.policy_number as other_number,
        other.policy_code as other_code,
        other.policy_name as other_name,
        other.rival_offer as other_rival_offer,
        policy.policy_class = other.policy_class
        and (
            policy.action_kind <> other.action_kind
            or policy.subsidy_amount <> other.subsidy_amount
        ) as is_clash
    from policy
    inner join policy as other
        on
            policy.policy_code <> other.policy_code
            and policy.star_level = other.star_level
            and coalesce(policy.brand = other.brand, true)
            and coalesce(policy.product_type = other.product_type, true)
            and coalesce(policy.customer_group = other.customer_group, true)
            and policy.valid_from < coalesce(other.valid_to, 'infinity')
            and other.valid_from < coalesce(policy.valid_to, 'infinity')
),

-- One after the other: what is refused refuses nobody.
judged as (
    select
        0::bigint as policy_number,
        '{}'::bigint[] as accepted_numbers
    union all
    select
        judged.policy_number + 1 as policy_number,
        case
            when exists (
                select overlap.other_number from overlap
                where
                    overlap.policy_number = judged.policy_number + 1
                    and overlap.is_clash
                    and overlap.other_number = any(judged.accepted_numbers)
            ) then judged.accepted_numbers
            else judged.accepted_numbers || (judged.policy_number + 1)
        end as accepted_numbers
    from judged
    where judged.policy_number < (select max(policy.policy_number) as newest_number from policy)
),

accepted as (
    select unnest(judged.accepted_numbers) as policy_number
    from judged
    where judged.policy_number = (select max(policy.policy_number) as newest_number from policy)
),

-- The oldest of the policies that it clashes with.
conflict as (
    select distinct on (overlap.policy_number)
        overlap.policy_number,
        overlap.other_code,
        overlap.other_name
    from overlap
    inner join accepted on overlap.other_number = accepted.policy_number
    where overlap.is_clash and overlap.other_number < overlap.policy_number
    order by overlap.policy_number asc, overlap.other_number asc
),

final as (
    select
        policy.policy_code,
        policy.star_level,
        policy.valid_from,
        policy.valid_to,
        policy.policy_name,
        policy.brand,
        policy.policy_class,
        policy.product_type,
        policy.customer_group,
        policy.action_kind,
        policy.subsidy_amount,
        policy.rival_offer,
        policy.department,
        accepted.policy_number is not null as is_accepted,
        conflict.other_code as conflicting_policy_code,
        conflict.other_name as conflicting_policy_name,
        case
            when policy.rival_offer is null and policy.policy_class = 'rival_response'
                then 'names_no_offer'
            when policy.rival_offer is null and policy.policy_class = 'retention' and exists (
                select overlap.other_number from overlap
                where
                    overlap.policy_number = policy.policy_number
                    and overlap.other_rival_offer is not null
            ) then 'offer_not_answered'
        end as rival_weakness
    from policy
    left join accepted on policy.policy_number = accepted.policy_number
    left join conflict
        on policy.policy_number = conflict.policy_number and accepted.policy_number is null
)

select * from final
