with as_of as (
    {{ as_of_dates() }}
),

contact as (
    select * from {{ ref('fct_service_contact') }}
    where interaction_kind = 'complaint'
),

ticket as (
    select * from {{ ref('int_tickets_timed') }}
),

complaint_known as (
    select
        as_of.as_of_date,
        contact.interaction_id,
        contact.customer_id,
        contact.complaint_category,
        contact.ticket_id,
        contact.resolution,
        contact.contacted_date,
        contact.contacted_at,
        as_of.as_of_date + 1 - interval '3 months' <= contact.contacted_date as is_within_3m
    from as_of
    inner join contact
        on
            as_of.as_of_date >= contact.contacted_date
            and as_of.as_of_date + 1 - interval '12 months' <= contact.contacted_date
),

-- What was not settled on the spot stays unresolved until its fault ticket is closed; of a
-- complaint without a ticket no end is delivered.
complaint as (
    select
        complaint_known.*,
        complaint_known.resolution <> 'resolved'
        and coalesce(
            ticket.is_fault
            and coalesce(ticket.closed_at >= {{ end_of('complaint_known.as_of_date') }}, true),
            true
        ) as is_unresolved
    from complaint_known
    left join ticket on complaint_known.ticket_id = ticket.ticket_id
),

complaint_last as (
    select distinct on (as_of_date, customer_id)
        as_of_date,
        customer_id,
        contacted_date,
        complaint_category
    from complaint
    order by as_of_date asc, customer_id asc, contacted_at desc, interaction_id desc
),

customer_counted as (
    select
        as_of_date,
        customer_id,
        count(*)::integer as complaint_count_12m,
        (count(*) filter (where is_within_3m))::integer as complaint_count_3m,
        (count(*) filter (where is_within_3m and complaint_category = 'fee'))::integer
            as fee_complaint_count_3m,
        (count(*) filter (where is_within_3m and complaint_category = 'network'))::integer
            as network_complaint_count_3m,
        (count(*) filter (where is_within_3m and complaint_category = 'service'))::integer
            as service_complaint_count_3m,
        (count(*) filter (where is_within_3m and is_unresolved))::integer
            as unresolved_complaint_count_3m
    from complaint
    group by as_of_date, customer_id
),

final as (
    select
        as_of_date,
        customer_id,
        customer_counted.complaint_count_3m,
        customer_counted.fee_complaint_count_3m,
        customer_counted.network_complaint_count_3m,
        customer_counted.service_complaint_count_3m,
        customer_counted.unresolved_complaint_count_3m,
        customer_counted.complaint_count_12m,
        complaint_last.contacted_date as last_complaint_date,
        complaint_last.complaint_category as last_complaint_category
    from customer_counted
    inner join complaint_last using (as_of_date, customer_id)
)

select * from final
