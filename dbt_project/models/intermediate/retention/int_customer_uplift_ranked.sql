-- A view: a few columns of the night's scores, asked once.
{{ config(materialized='view') }}

with score as (
    select * from {{ ref('stg_ml__uplift_score') }}
    where business_date = {{ business_date() }}
),

verdict as (
    select * from {{ ref('stg_ml__uplift_verdict') }}
    where is_in_force
),

final as (
    select
        score.customer_id,
        score.uplift,
        score.is_sleeping_dog
    from score
    inner join verdict on score.model_version = verdict.model_version
    where verdict.ranking = 'uplift'
)

select * from final
