{{ config(materialized='view', schema='intermediate', tags='transform') }}
select null::text as customer_id, null::text as value_tier, date '2026-11-20' as business_date where false
