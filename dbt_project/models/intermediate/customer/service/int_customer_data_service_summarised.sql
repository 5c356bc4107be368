with package as (
    select * from {{ ref('int_value_added_latest') }}
    where service_kind = 'data_package' and is_held
),

-- Of several lines the package that costs most stands for the customer, then the newest.
package_largest as (
    select distinct on (as_of_date, customer_id)
        as_of_date,
        customer_id,
        service_code,
        service_name,
        subscribed_date,
        subscribed_staff_id,
        subscribed_channel
    from package
    order by
        as_of_date asc,
        customer_id asc,
        function_fee_amount desc,
        subscribed_date desc,
        service_code asc,
        subscription_id asc
),

customer_summed as (
    select
        as_of_date,
        customer_id,
        count(*)::integer as data_package_count,
        max(usage_month) as data_usage_month,
        sum(function_fee_amount) as data_package_monthly_fee_amount,
        sum(allowance_mb) as data_allowance_mb,
        sum(used_mb) as data_used_mb_last_month
    from package
    group by as_of_date, customer_id
),

final as (
    select
        as_of_date,
        customer_id,
        package_largest.service_code as data_package_code,
        package_largest.service_name as data_package_name,
        package_largest.subscribed_date as data_package_opened_date,
        package_largest.subscribed_staff_id as data_package_staff_id,
        package_largest.subscribed_channel as data_package_channel,
        customer_summed.data_package_count,
        customer_summed.data_package_monthly_fee_amount,
        customer_summed.data_usage_month,
        customer_summed.data_allowance_mb,
        customer_summed.data_used_mb_last_month,
        round(
            customer_summed.data_used_mb_last_month
            / nullif(customer_summed.data_allowance_mb, 0),
            4
        ) as data_used_ratio
    from customer_summed
    inner join package_largest using (as_of_date, customer_id)
)

select * from final
