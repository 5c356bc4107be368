-- What a call does to a customer, and whether calls are ranked by that. Append-only, as the scores.
create table if not exists ml.uplift_score (
    business_date date not null,
    customer_id text not null,
    model_version text not null,
    uplift double precision not null check (uplift between -1 and 1),
    is_sleeping_dog boolean not null,
    feature_hash text not null,
    scored_at timestamptz not null default now(),
    primary key (business_date, customer_id, model_version),
    constraint only_the_harmed_sleep check (not is_sleeping_dog or uplift < 0)
);
comment on table ml.uplift_score is
    'One row per business date, customer and model version: what a call does to staying.';
comment on column ml.uplift_score.uplift is
    'Probability of staying 30 days if called, less if not: 0.03 is three points.';
comment on column ml.uplift_score.is_sleeping_dog is
    'Better left alone: uplift below zero, and calls were found to harm such customers.';

create table if not exists ml.uplift_verdict (
    business_date date not null,
    experiment_hash text not null,
    ranking text not null check (ranking in ('uplift', 'risk')),
    reason text not null,
    model_version text,
    has_sleeping_dogs boolean not null default false,
    treated_count integer not null,
    control_count integer not null,
    measures jsonb not null default '{}',
    judged_at timestamptz not null default now(),
    primary key (business_date, experiment_hash),
    constraint uplift_needs_a_model check (ranking = 'risk' or model_version is not null),
    constraint sleeping_dogs_need_uplift check (ranking = 'uplift' or not has_sleeping_dogs)
);
comment on table ml.uplift_verdict is
    'One row per training of the uplift model: what priority is made of from then on, and why.';
comment on column ml.uplift_verdict.experiment_hash is
    'sha256 of the customers, their outcomes and the parameters that were judged.';
comment on column ml.uplift_verdict.ranking is
    'uplift if it was shown to rank better than risk, else risk.';
comment on column ml.uplift_verdict.model_version is
    'The version in the registry; null when there were too few customers to train.';
comment on column ml.uplift_verdict.measures is
    'By ranking and measure the figure with its 95 % interval (value, low, high).';

grant select, insert on ml.uplift_score, ml.uplift_verdict to retention_scorer;
grant select on ml.uplift_score, ml.uplift_verdict to retention_transformer;
