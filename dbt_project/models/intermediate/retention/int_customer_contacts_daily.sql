with attempt as (
    select * from {{ ref('stg_dialer__call_attempt') }}
    where called_at >= {{ window_start(business_date(), "interval '30 days'") }}
),

task as (
    select * from {{ ref('stg_dialer__call_task') }}
),

campaign as (
    select * from {{ ref('campaign') }}
),

contact_class as (
    select * from {{ ref('contact_class') }}
),

offer as (
    select * from {{ ref('fct_offer') }}
    where offered_date between {{ business_date() }} - 29 and {{ business_date() }}
),

channel as (
    select * from {{ ref('contact_channel') }}
),

-- A call disturbs, reached or not. One whose campaign is gone counts as marketing.
contact as (
    select
        task.customer_id,
        {{ local_date('attempt.called_at') }} as contacted_date
    from attempt
    inner join task on attempt.call_task_id = task.call_task_id
    left join campaign
        on
            task.revisit_tag = campaign.revisit_tag
            and {{ in_force('task.business_date', 'campaign') }}
    left join contact_class
        on
            campaign.contact_class = contact_class.contact_class
            and {{ in_force(business_date(), 'contact_class') }}
    where coalesce(contact_class.is_counted, true)
    union all
    select
        offer.customer_id,
        offer.offered_date as contacted_date
    from offer
    inner join channel on offer.channel = channel.channel_code
    where channel.is_counted
),

final as (
    select
        {{ business_date() }} as business_date,
        customer_id,
        contacted_date,
        count(*)::integer as contact_count
    from contact
    group by customer_id, contacted_date
)

select * from final
