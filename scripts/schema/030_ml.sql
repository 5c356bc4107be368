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

create table if not exists ml.feature_drift (
    business_date date not null,
    model_version text not null,
    feature text not null,
    stability_index double precision not null,
    chance_index double precision not null,
    drift_level text not null check (drift_level in ('stable', 'moving', 'moved')),
    measured_at timestamptz not null default now(),
    primary key (business_date, model_version, feature)
);
comment on table ml.feature_drift is
    'One row per business date, model version and feature, and one for the score: how far its values
    have moved since the model was made (population stability index).';
comment on column ml.feature_drift.chance_index is
    'The index to expect where nothing has moved; a level''s limit must be exceeded by more.';

grant select, insert on ml.churn_score, ml.feature_drift to retention_scorer;
grant select on ml.churn_score, ml.feature_drift to retention_transformer;
