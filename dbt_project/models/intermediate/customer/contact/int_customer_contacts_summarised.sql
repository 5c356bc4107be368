with as_of as (
    {{ as_of_dates() }}
),

service_contact as (
    select * from {{ ref('fct_service_contact') }}
),

complaints as (
    select * from {{ ref('int_customer_complaints_summarised') }}
),

contact as (
    select
        as_of.as_of_date,
        service_contact.customer_id,
        service_contact.channel,
        service_contact.interaction_kind as kind,
        service_contact.urge_kind,
        service_contact.contacted_at
    from as_of
    inner join service_contact
        on
            as_of.as_of_date >= service_contact.contacted_date
            and as_of.as_of_date + 1 - interval '3 months' <= service_contact.contacted_date
),

customer_counted as (
    select
        as_of_date,
        customer_id,
        count(*)::integer as contact_count_3m,
        (count(*) filter (where channel = 'hotline'))::integer as hotline_contact_count_3m,
        (count(*) filter (where channel = 'store'))::integer as store_contact_count_3m,
        (count(*) filter (where channel in ('web_hall', 'sms_hall', 'app')))::integer
            as electronic_contact_count_3m,
        (count(*) filter (where channel = 'outbound'))::integer as outbound_contact_count_3m,
        (count(*) filter (where kind = 'bill_query'))::integer as bill_query_count_3m,
        (count(*) filter (where kind = 'inquiry'))::integer as inquiry_count_3m,
        (count(*) filter (where urge_kind is not null))::integer as urge_count_3m,
        max(contacted_at) as last_contact_at,
        -- Of two contacts at the same moment the order of their codes decides.
        (array_agg(channel order by contacted_at desc, channel asc, kind asc))[1]
            as last_contact_channel,
        (array_agg(kind order by contacted_at desc, channel asc, kind asc))[1]
            as last_contact_kind
    from contact
    group by as_of_date, customer_id
),

final as (
    select
        as_of_date,
        customer_id,
        coalesce(complaints.complaint_count_3m, 0) as complaint_count_3m,
        coalesce(complaints.fee_complaint_count_3m, 0) as fee_complaint_count_3m,
        coalesce(complaints.network_complaint_count_3m, 0) as network_complaint_count_3m,
        coalesce(complaints.service_complaint_count_3m, 0) as service_complaint_count_3m,
        coalesce(complaints.unresolved_complaint_count_3m, 0) as unresolved_complaint_count_3m,
        coalesce(complaints.complaint_count_12m, 0) as complaint_count_12m,
        complaints.last_complaint_date,
        complaints.last_complaint_category,
        coalesce(customer_counted.contact_count_3m, 0) as contact_count_3m,
        coalesce(customer_counted.hotline_contact_count_3m, 0) as hotline_contact_count_3m,
        coalesce(customer_counted.store_contact_count_3m, 0) as store_contact_count_3m,
        coalesce(customer_counted.electronic_contact_count_3m, 0) as electronic_contact_count_3m,
        coalesce(customer_counted.outbound_contact_count_3m, 0) as outbound_contact_count_3m,
        coalesce(customer_counted.bill_query_count_3m, 0) as bill_query_count_3m,
        coalesce(customer_counted.inquiry_count_3m, 0) as inquiry_count_3m,
        coalesce(customer_counted.urge_count_3m, 0) as urge_count_3m,
        customer_counted.last_contact_at,
        customer_counted.last_contact_channel,
        customer_counted.last_contact_kind
    from complaints
    full outer join customer_counted using (as_of_date, customer_id)
)

select * from final
