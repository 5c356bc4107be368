with raised as (
    select distinct subscription_id from {{ ref('int_remediation_cause_raised') }}
),

subscription as (
    select * from {{ ref('int_subscription_active') }}
    where as_of_date = {{ business_date() }}
),

customer as (
    select * from {{ ref('stg_crm__customer') }}
    where as_of_date = {{ business_date() }}
),

optical as (
    select * from {{ ref('int_optical_latest') }}
    where as_of_date = {{ business_date() }}
),

copper as (
    select * from {{ ref('int_copper_tested') }}
    where as_of_date = {{ business_date() }}
),

area as (
    select * from {{ ref('stg_line__access_resource') }}
    where as_of_date = {{ business_date() }}
),

hazard_area as (
    select
        subscription_id,
        measured_value as area_hazard_rank
    from {{ ref('fct_risk_warning') }}
    where business_date = {{ business_date() }} and rule_code = 'cross_connect_top10'
),

reported as (
    select * from {{ ref('int_line_reports_counted') }}
),

waiting as (
    select * from {{ ref('int_line_orders_waiting') }}
),

-- Fibre can be had by who has none yet; works are planned by area.
final as (
    select
        raised.subscription_id,
        subscription.cross_connect_area_id,
        subscription.product_type,
        optical.optical_loss_db,
        copper.has_loose_joint::integer as loose_joint_count,
        copper.has_high_energy_noise::integer as high_energy_noise_count,
        copper.has_line_imbalance::integer as line_imbalance_count,
        copper.hazard_count,
        copper.noise_margin_db,
        copper.attainable_rate_mbps / subscription.bandwidth_mbps as attainable_rate_share,
        reported.repeat_report_count_30d,
        reported.same_category_count_90d,
        reported.open_fault_days,
        reported.operator_cause_count_12m,
        case
            when subscription.access_type = 'copper' and area.is_ftth_covered
                then area.ftth_free_port_count
        end as ftth_free_port_count,
        (area.pending_work_kind = 'trunk_repair')::integer as trunk_repair_pending_count,
        (area.pending_work_kind = 'area_overhaul')::integer as area_overhaul_pending_count,
        (area.pending_work_kind = 'ftth_construction')::integer as ftth_construction_pending_count,
        hazard_area.area_hazard_rank,
        customer.star_level,
        subscription.monthly_rent_amount,
        waiting.resource_delay_order_count,
        waiting.construction_delay_order_count
    from raised
    inner join subscription on raised.subscription_id = subscription.subscription_id
    inner join customer on subscription.customer_id = customer.customer_id
    left join optical on raised.subscription_id = optical.subscription_id
    left join copper on raised.subscription_id = copper.subscription_id
    left join area on subscription.cross_connect_area_id = area.cross_connect_area_id
    left join hazard_area on raised.subscription_id = hazard_area.subscription_id
    left join reported on raised.subscription_id = reported.subscription_id
    left join waiting on raised.subscription_id = waiting.subscription_id
)

select * from final
