-- What the models say. Append-only: a score is never changed, a new model version adds new rows.
create table if not exists ml.churn_score (
    business_date date not null,
    customer_id text not null,
    model_version text not null,
    churn_probability double precision not null check (churn_probability between 0 and 1),
    reason_1 text,
    reason_2 text,
    reason_3 text,
    feature_hash text not null,
    scored_at timestamptz not null default now(),
    primary key (business_date, customer_id, model_version)
);
comment on table ml.churn_score is
    'One row per business date, customer and model version: probability of leaving within 30 days.';

grant select, insert on ml.churn_score to retention_scorer;
grant select on ml.churn_score to retention_transformer;
