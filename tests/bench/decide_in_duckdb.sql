-- Whom to call tonight and why not the others, by DuckDB, from the tables that the night's decision
-- reads (Parquet, one file each) and the seeds (CSV). A view `night` names the business date, its
-- end and the time zone. Leaves the tables `decision` and `planned`.
create table parameter as
pivot (
    select parameter_name, parameter_value::decimal(18, 6) as value from retention_parameter, night
    where valid_from <= night_date and (valid_to is null or night_date < valid_to::date)
) on parameter_name using any_value(value);

create view running as
select
    campaign.campaign_code,
    campaign.revisit_tag,
    campaign.contact_class,
    campaign.team_code,
    campaign.line_source,
    campaign.propensity_source,
    campaign.propensity::decimal(18, 6) as propensity,
    campaign.value_source,
    campaign.value_amount::decimal(18, 6) as value_amount,
    campaign.value_months::integer as value_months,
    campaign.context_weight::decimal(9, 3) as context_weight,
    campaign.lever::decimal(18, 6) as lever,
    campaign.control_share,
    campaign.call_order,
    campaign.is_pitch,
    campaign.needs_approval,
    contact_class.precedence,
    contact_class.needs_consent,
    contact_class.is_limited,
    contact_class.must_pay,
    contact_class.is_held_out,
    calling_hours.first_hour
from night, campaign
inner join contact_class using (contact_class)
left join calling_hours
    on
        campaign.contact_class = calling_hours.contact_class
        and day_kind = case
            when night_date + 1 in (select holiday_date from holiday) then 'holiday'
            when isodow(night_date + 1) >= 6 then 'weekend'
            else 'workday'
        end
        and calling_hours.valid_from <= night_date
        and (calling_hours.valid_to is null or night_date < calling_hours.valid_to::date)
where
    is_enabled
    and campaign.valid_from <= night_date
    and (campaign.valid_to is null or night_date < campaign.valid_to::date)
    and contact_class.valid_from <= night_date
    and (contact_class.valid_to is null or night_date < contact_class.valid_to::date);

create view to_soothe as
select
    customer_id,
    bool_or(soothing_kind = 'explanation_call') as needs_explanation,
    array_to_string(list_sort(list(distinct guidance_zh)), '；') as guidance_zh,
    max(subsidy_amount) as subsidy_amount,
    list_sort(list(distinct policy_code) filter (policy_code is not null)) as policy_codes
from int_soothing_due as due, night
where
    opened_date between night_date - 13 and night_date
    and not exists (
        from (
            select distinct on (trim(action_id)) * from retention__soothing_action, night
            where business_date <= night_date and acted_at < end_at
            order by trim(action_id), business_date desc, extract_load_id desc
        ) as action
        where
            trim(action.customer_id) = due.customer_id
            and result_code <> 'unreachable'
            and opened_date <= (acted_at at time zone zone)::date
    )
group by customer_id;

create table decision as
with contract as (
    select version.* from (
        select
            crm__contract.*,
            lead(changed_at) over (
                partition by trim(contract_id) order by changed_at, business_date, extract_load_id
            ) as superseded_at
        from crm__contract, night
        where business_date <= night_date
    ) as version, night
    where changed_at < end_at and (superseded_at is null or end_at <= superseded_at)
),

contract_ending as (
    select distinct on (customer_id) customer_id, subscription_id, end_date
    from night, contract
    inner join (
        select subscription_id, max(end_date) as end_date from contract, night
        where contract_state = 'active' and night_date <= end_date
        group by subscription_id
    ) as held using (subscription_id, end_date)
    where contract_state = 'active'
    order by customer_id, end_date, subscription_id, contract_id
),

selected as (
    select
        customer.*,
        contract_ending.subscription_id as contract_subscription_id,
        case when value_tier in ('high', 'mid') then 'mid_high_end' else 'other' end
            as customer_grade,
        coalesce(greatest(invoice_amount_90d, monthly_rent_amount), 0) as monthly_value_amount,
        unnest(list_filter([
            case when needs_explanation then 'fault_explanation' end,
            case when warning_count > 0 then 'risk_soothing' end,
            case
                when newest_subscription_days between 1 and new_install_days
                    then 'new_install_revisit'
            end,
            case
                when churn_probability >= churn_probability_minimum then 'churn_warning'
            end,
            case
                when
                    churn_probability >= churn_probability_minimum
                    and value_tier in ('high', 'mid')
                    then 'churn_warning_mid_high'
            end,
            case
                when
                    mobile_subscription_count > 0
                    and night_date - last_mobile_use_date
                    between silent_days and silent_days_maximum
                    or broadband_subscription_count > 0
                    and days_since_last_online
                    between silent_days and silent_days_maximum
                    or competitor_call_count_30d >= competitor_call_minimum
                    or night_date - last_leaving_sign_date < leaving_sign_days
                    then 'off_net_warning'
            end,
            case
                when end_date - night_date <= contract_expiry_days then 'contract_expiry'
            end,
            case
                when
                    planned_suspension_date - night_date between 1 and pre_suspension_days
                    then 'pre_suspension_reminder'
            end,
            case when overdue_amount >= dunning_amount_minimum then 'dunning' end,
            case
                when
                    value_tier in ('high', 'mid')
                    and (
                        is_birthday_tomorrow
                        or strftime(registered_date, '%m%d') = strftime(night_date + 1, '%m%d')
                        and tenure_days >= 364
                    )
                    or complaint_sensitivity_band = 'high'
                    and night_date - last_complaint_date < care_complaint_days
                    then 'care'
            end,
            case
                when suitable_service_code in ('larger_data_package', 'smaller_data_package')
                    then 'plan_change'
            end,
            case
                when
                    voice_minutes_30d >= ring_back_tone_minutes_minimum
                    and not has_ring_back_tone
                    then 'ring_back_tone'
            end,
            case
                when suitable_service_code in ('roaming_package', 'border_package')
                    then 'special_topic_roaming'
            end
        ], lambda code: code is not null)) as campaign_code
    from night, parameter, customer_360 as customer
    left join to_soothe using (customer_id)
    left join contract_ending using (customer_id)
    where business_date = night_date and active_subscription_count > 0
),

uplift as (
    select customer_id, uplift::decimal(18, 6) as uplift, is_sleeping_dog
    from night, uplift_score
    inner join (
        select model_version, ranking from uplift_verdict, night where business_date <= night_date
        order by business_date desc, judged_at desc, experiment_hash desc limit 1
    ) as verdict using (model_version)
    where uplift_score.business_date = night_date and ranking = 'uplift'
),

factored as (
    select
        selected.* exclude (business_date),
        running.* exclude (campaign_code),
        parameter.*,
        -- Wide enough for the product of all four.
        case propensity_source
            when 'churn' then coalesce(churn_probability, churn_probability_default)
            else propensity
        end::decimal(20, 6) as propensity_factor,
        (
            value_months * case value_source
                when 'monthly' then monthly_value_amount
                when 'overdue' then overdue_amount
                else value_amount
            end
        )::decimal(18, 6) as value_factor,
        (context_weight * parameter_value)::decimal(9, 3) as context_factor,
        -- As decimals round: a half goes away from zero.
        coalesce(
            round(uplift / nullif(propensity_factor, 0) + sign(uplift) * 1e-14, 6)
            ::decimal(18, 6),
            lever
        ) as lever_factor,
        case when uplift is null then 'campaign' else 'uplift' end as lever_source,
        coalesce(is_sleeping_dog, false) as is_sleeping_dog
    from night, parameter, selected
    inner join running using (campaign_code)
    inner join retention_parameter as weight
        on parameter_name = 'risk_weight_' || coalesce(highest_risk_level, 'none')
    left join uplift
        on selected.customer_id = uplift.customer_id and propensity_source = 'churn'
    where
        weight.valid_from <= night_date
        and (weight.valid_to is null or night_date < weight.valid_to::date)
),

candidate as (
    select
        factored.*,
        case line_source
            when 'risk' then risk.worst_subscription_id
            when 'contract' then contract_subscription_id
        end as subscription_id,
        round(propensity_factor * value_factor * lever_factor - call_cost_amount, 4)
            as expected_profit_amount,
        round(
            case when propensity_factor_is_on > 0 then propensity_factor else 1 end
            * case when value_factor_is_on > 0 then value_factor else 1 end
            * case when context_factor_is_on > 0 then context_factor else 1 end
            * case when lever_factor_is_on > 0 then lever_factor else 1 end,
            4
        ) as priority_score,
        ('0x' || left(md5(concat_ws('|', control_salt::int, factored.customer_id)), 8))::ubigint
        / 4294967296 < global_control_share as is_global_control,
        (
            '0x'
            || left(md5(concat_ws('|', control_salt::int, campaign_code, factored.customer_id)), 8)
        )::ubigint / 4294967296 < control_share as is_campaign_control
    from night, factored
    left join fct_customer_risk as risk
        on factored.customer_id = risk.customer_id and risk.business_date = night_date
),

number_blocked as (
    select contact_phone, 'all' as block_scope from int_customer_dated, night
    where
        as_of_date = night_date and contact_phone is not null
        and (
            is_do_not_call
            or customer_id in (
                select customer_id from night, call_attempt
                inner join call_task using (call_task_id)
                where outcome_code = 'do_not_call' and called_at < end_at
            )
        )
    union all
    select trim(phone_number), block_scope from crm__do_not_call, night
    where
        business_date = (
            select max(business_date) from crm__do_not_call, night where business_date <= night_date
        )
        and registered_at < end_at and (expiry_date is null or night_date <= expiry_date)
),

blocked as (
    select customer_id, bool_or(block_scope = 'all') as is_blocked
    from night, int_customer_dated
    inner join number_blocked using (contact_phone)
    where as_of_date = night_date
    group by customer_id
),

conflict as (
    select distinct customer_id, campaign_code
    from night, campaign_conflict, (
        select
            customer_id,
            'revisit' as dealing_kind,
            revisit_tag as dealing_code,
            business_date as dealt_date
        from call_task, night
        where
            business_date < night_date
            and (status <> 'withdrawn' or end_at <= closed_at)
        union all
        select
            customer_id,
            case when response = 'accepted' then 'offer_accepted' else 'offer_refused' end,
            offer_class,
            offered_date
        from fct_offer
        where response in ('accepted', 'refused', 'unsubscribed')
        union all
        select trim(customer_id), 'contract', contract_kind, (signed_at at time zone zone)::date
        from contract, night
        where signed_at < end_at
    ) as dealing
    where
        campaign_conflict.dealing_kind = dealing.dealing_kind
        and campaign_conflict.dealing_code = dealing.dealing_code
        and dealt_date > night_date - least(window_days, 90)::integer
        and valid_from <= night_date
        and (valid_to is null or night_date < valid_to::date)
),

contact as (
    select customer_id, (called_at at time zone zone)::date as contacted_date
    from night, call_attempt
    inner join call_task using (call_task_id)
    left join campaign
        on
            call_task.revisit_tag = campaign.revisit_tag
            and campaign.valid_from <= call_task.business_date
            and (campaign.valid_to is null or call_task.business_date < campaign.valid_to::date)
    left join contact_class
        on
            campaign.contact_class = contact_class.contact_class
            and contact_class.valid_from <= night_date
            and (contact_class.valid_to is null or night_date < contact_class.valid_to::date)
    where
        called_at < end_at
        and ((night_date - 29)::timestamp at time zone zone) <= called_at
        and coalesce(is_counted, true)
    union all
    select customer_id, offered_date
    from night, fct_offer
    inner join contact_channel on channel = channel_code
    where is_counted and offered_date between night_date - 29 and night_date
),

contacted as (
    select
        customer_id,
        max(contact_count_30d) as contact_count_30d,
        list(drop_reason) filter (contact_count >= contact_maximum) as limits_reached
    from (
        select
            customer_id,
            drop_reason,
            contact_maximum,
            count(*) as contact_count_30d,
            count(*) filter (contacted_date > night_date - window_days::integer) as contact_count
        from night, contact, contact_limit
        where valid_from <= night_date and (valid_to is null or night_date < valid_to::date)
        group by customer_id, limit_code, drop_reason, contact_maximum
    )
    group by customer_id
),

judged as (
    select
        candidate.*,
        coalesce(contact_count_30d, 0) as contact_count_30d,
        list_filter(
            [
                case
                    when
                        is_do_not_call or is_blocked
                        or needs_consent and blocked.customer_id is not null
                        then 'do_not_call'
                end,
                case when masked_phone is null then 'no_phone' end,
                case when is_on_black_list then 'black_list' end,
                case when needs_consent and consent.customer_id is null then 'no_consent' end,
                case when open_task.customer_id is not null then 'open_task' end,
                case when first_hour is null then 'quiet_hours' end,
                case
                    when
                        is_pitch
                        and exists (
                            from sensitivity_handling as handling
                            where
                                rules_out_pitch
                                and (
                                    sensitivity_kind = 'complaint'
                                    and band_code = complaint_sensitivity_band
                                    or sensitivity_kind = 'fee' and band_code = fee_sensitivity_band
                                )
                        )
                        then 'sensitivity'
                end,
                case when conflict.customer_id is not null then 'policy_conflict' end,
                -- Nobody was in a flow before: each is in the first of its waves, which is no call.
                case
                    when campaign_code in (from campaign_wave select campaign_code)
                        then 'other_wave'
                end,
                case when is_limited and 'daily_cap' in limits_reached then 'daily_cap' end,
                case when is_limited and 'rolling_cap' in limits_reached then 'rolling_cap' end,
                case when is_limited and 'minimum_gap' in limits_reached then 'minimum_gap' end,
                case when is_sleeping_dog then 'sleeping_dog' end,
                case
                    when must_pay and expected_profit_amount < 0 then 'below_profitable_length'
                end
            ],
            lambda reason: reason is not null
        ) as exclusion_reasons
    from candidate
    left join blocked using (customer_id)
    left join (
        select customer_id from int_customer_consents_summarised, night
        where as_of_date = night_date and marketing_call_until_date > night_date
    ) as consent using (customer_id)
    left join (
        select distinct customer_id from call_task, night
        where business_date < night_date and (closed_at is null or end_at <= closed_at)
    ) as open_task using (customer_id)
    left join conflict using (customer_id, campaign_code)
    left join contacted using (customer_id)
),

capacity as (
    select team_code, customer_grade, greatest(min(capacity_left), 0) as capacity_left
    from (
        select
            team_capacity.team_code,
            team_capacity.customer_grade,
            window_days,
            capacity - count(taken.business_date) as capacity_left
        from night, team_capacity
        left join (
            select
                task.business_date,
                campaign.team_code,
                case when tier_code in ('high', 'mid') then 'mid_high_end' else 'other' end
                    as customer_grade
            from night, call_task as task
            inner join campaign
                on
                    task.revisit_tag = campaign.revisit_tag
                    and campaign.valid_from <= task.business_date
                    and (campaign.valid_to is null or task.business_date < campaign.valid_to::date)
            left join fct_customer_tier as tier
                on
                    task.customer_id = tier.customer_id
                    and scheme_code = 'value'
                    and tier.valid_from <= task.business_date
                    and (tier.valid_to is null or task.business_date < tier.valid_to)
            where
                task.business_date < night_date
                and (status <> 'withdrawn' or end_at <= closed_at)
        ) as taken
            on
                team_capacity.team_code = taken.team_code
                and team_capacity.customer_grade = taken.customer_grade
                and taken.business_date > night_date - window_days::integer
        where valid_from <= night_date and (valid_to is null or night_date < valid_to::date)
        group by team_capacity.team_code, team_capacity.customer_grade, window_days, capacity
    )
    group by team_code, customer_grade
),

waved as (
    select
        judged.*,
        len(exclusion_reasons) = 0
        and row_number() over (
            partition by customer_id
            order by
                len(exclusion_reasons) > 0, precedence, priority_score desc, campaign_code
        ) = 1 as is_first_wave,
        is_held_out and (is_global_control or is_campaign_control) as is_control
    from judged
),

placed as (
    select
        waved.*,
        1 + count(*) filter (not is_control) over (
            partition by team_code, customer_grade, is_first_wave
            order by precedence, priority_score desc, customer_id
            rows between unbounded preceding and 1 preceding
        ) as place_number
    from waved
),

decided as (
    select
        placed.*,
        case
            when len(exclusion_reasons) > 0 then exclusion_reasons[1]
            when not is_first_wave then 'one_wave'
            when place_number > coalesce(capacity_left, 0) then 'over_capacity'
            when is_held_out and is_global_control then 'global_control'
            when is_control then 'campaign_control'
        end as drop_reason
    from placed
    left join capacity using (team_code, customer_grade)
)

select
    night_date as business_date,
    customer_id,
    campaign_code,
    revisit_tag,
    contact_class,
    team_code,
    customer_grade,
    subscription_id,
    rule_codes,
    highest_risk_level,
    churn_probability,
    monthly_value_amount,
    propensity_factor,
    value_factor,
    context_factor,
    lever_factor,
    lever_source,
    expected_profit_amount,
    priority_score,
    case
        when drop_reason is null
            then row_number() over (
                partition by drop_reason is null
                order by precedence, priority_score desc, customer_id
            )
    end as priority_rank,
    contact_count_30d,
    is_global_control,
    is_campaign_control,
    drop_reason is null as is_eligible,
    '{' || array_to_string(exclusion_reasons, ',') || '}' as exclusion_reasons,
    drop_reason
from decided, night;

create table planned as
with phrase as (
    select reason_code, arg_min(phrase_zh, (feature, direction)) as phrase_zh
    from churn_reason
    group by reason_code
),

score as (
    select
        customer_id,
        concat_ws('；', first.phrase_zh, second.phrase_zh, third.phrase_zh) as churn_reasons_zh
    from night, churn_score
    left join phrase as first on reason_1 = first.reason_code
    left join phrase as second on reason_2 = second.reason_code
    left join phrase as third on reason_3 = third.reason_code
    where business_date = night_date
    qualify row_number() over (
        partition by customer_id order by scored_at desc, model_version desc
    ) = 1
),

drawn as (
    select
        decision.*,
        first_hour,
        needs_approval,
        row_number() over (
            partition by campaign_code
            order by
                case
                    when call_order = 'random'
                        then md5(concat_ws('|', business_date, customer_id))
                end,
                priority_rank
        ) as drawn_number
    from decision
    inner join running using (campaign_code)
    where is_eligible
)

select
    drawn.business_date,
    drawn.customer_id,
    drawn.subscription_id,
    drawn.campaign_code,
    drawn.revisit_tag,
    customer.contact_phone as phone_number,
    customer.customer_name,
    customer.region,
    drawn.customer_grade,
    nth_value(drawn.priority_rank, drawn.drawn_number) over (
        partition by drawn.campaign_code
        order by drawn.priority_rank
        rows between unbounded preceding and unbounded following
    ) as priority_rank,
    drawn.expected_profit_amount,
    drawn.first_hour,
    drawn.needs_approval,
    '{' || array_to_string(policy_codes, ',') || '}' as policy_codes,
    left(
        regexp_replace(
            concat(
                tag_name_zh || '。',
                '风险：' || rule_names_zh || '。',
                '安抚：' || guidance_zh || '。',
                '可补偿' || regexp_replace(nullif(subsidy_amount, 0)::text, '\.0+$', '') || '元。',
                '沟通要点：' || nullif(churn_reasons_zh, '') || '。',
                '近30天已联系' || nullif(drawn.contact_count_30d, 0) || '次。'
            ),
            '[|''";`\\\r\n\t]', '', 'g'
        ),
        255
    ) as agent_hint
from night, drawn
inner join int_customer_dated as customer
    on drawn.customer_id = customer.customer_id and as_of_date = night_date
inner join revisit_tag as tag on drawn.revisit_tag = tag.revisit_tag
left join fct_customer_risk as risk
    on drawn.customer_id = risk.customer_id and risk.business_date = night_date
left join to_soothe on drawn.customer_id = to_soothe.customer_id
left join score on drawn.customer_id = score.customer_id;
