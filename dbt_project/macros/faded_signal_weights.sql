{#-
    Query: what a contact of each day adds to the points as of each day, by signal: the weight in
    force on the as-of day, halved with every half-life that has passed. Days before the window of
    the kind have no row, so that an inner join leaves their contacts out. `days` names a CTE with
    the column as_of_date; the CTEs `signal` and `kind` hold the seeds.
-#}
{% macro faded_signal_weights(days) -%}
    select
        {{ days }}.as_of_date,
        contacted.moment::date as contacted_date,
        signal.signal_code,
        signal.sensitivity_kind,
        round(
            signal.weight * power(
                0.5, ({{ days }}.as_of_date - contacted.moment::date) / signal.half_life_days
            ),
            6
        ) as faded_weight
    from {{ days }}
    inner join signal on {{ in_force(days ~ '.as_of_date', 'signal') }}
    inner join kind on signal.sensitivity_kind = kind.sensitivity_kind
    cross join lateral generate_series(
        ({{ days }}.as_of_date + 1)::timestamp - kind.window_months * interval '1 month',
        {{ days }}.as_of_date::timestamp,
        interval '1 day'
    ) as contacted (moment)
{%- endmacro %}
