with as_of as (
    {{ as_of_dates() }}
),

subscription_event as (
    select * from {{ ref('stg_crm__subscription_event') }}
    where
        event_kind in ('arrears_suspension', 'high_amount_suspension', 'port_out')
        or event_cause = 'competitor'
),

final as (
    select
        as_of.as_of_date,
        subscription_event.customer_id,
        (count(*) filter (where subscription_event.event_kind = 'arrears_suspension'))::integer
            as arrears_suspension_count_12m,
        (count(*) filter (where subscription_event.event_kind = 'high_amount_suspension'))::integer
            as high_amount_suspension_count_12m,
        -- A suspension or termination may name a competitor, before a number is ported or instead.
        max({{ local_date('subscription_event.occurred_at') }}) filter (
            where
            subscription_event.event_kind = 'port_out'
            or subscription_event.event_cause = 'competitor'
        ) as last_competitor_date
    from as_of
    inner join subscription_event
        on
            subscription_event.occurred_at < {{ end_of('as_of.as_of_date') }}
            and subscription_event.occurred_at
            >= {{ window_start('as_of.as_of_date', "interval '12 months'") }}
    group by as_of.as_of_date, subscription_event.customer_id
)

select * from final
