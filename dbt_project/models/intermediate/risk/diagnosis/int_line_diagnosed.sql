with examined as (
    select * from {{ ref('int_line_examined') }}
),

finding as (
    select * from {{ ref('line_finding') }}
),

finding_in_force as (
    select * from finding
    where {{ in_force(business_date(), 'finding') }}
),

measured as (
    select
        examined.subscription_id,
        measure.measure,
        measure.measured_value
    from examined
    cross join lateral (
        values
        {%- for measure in [
            'optical_loss_db', 'loose_joint_count', 'high_energy_noise_count',
            'line_imbalance_count', 'hazard_count', 'noise_margin_db', 'attainable_rate_share',
            'repeat_report_count_30d', 'same_category_count_90d', 'open_fault_days',
            'operator_cause_count_12m', 'ftth_free_port_count', 'trunk_repair_pending_count',
            'area_overhaul_pending_count', 'ftth_construction_pending_count', 'area_hazard_rank',
            'star_level', 'monthly_rent_amount', 'resource_delay_order_count',
            'construction_delay_order_count',
        ] %}
            ('{{ measure }}', examined.{{ measure }}::numeric){{ "," if not loop.last }}
        {%- endfor %}
    ) as measure (measure, measured_value)
),

found as (
    select
        measured.subscription_id,
        finding_in_force.finding_code,
        finding_in_force.is_bad_line,
        measured.measured_value
    from measured
    inner join finding_in_force on measured.measure = finding_in_force.measure
    where
        {{ compares(
            'measured.measured_value',
            'finding_in_force.operator',
            'finding_in_force.threshold_value'
        ) }}
),

-- Whatever makes a line bad also makes it a bad line (质差线路).
final as (
    select
        subscription_id,
        finding_code,
        trim_scale(measured_value) as measured_value
    from found
    union all
    select
        subscription_id,
        'bad_line' as finding_code,
        count(*)::numeric as measured_value
    from found
    where is_bad_line
    group by subscription_id
)

select * from final
