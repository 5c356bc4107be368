-- Decisions read what `transform` built for the same date; without it there is nobody to decide on.
select 'nothing is transformed for this business date' as problem
where not exists (select 1 from {{ ref('customer_360') }})
