{#-
    Query of the points of one contact, by as-of date, signal and day of the contact within the window:
    the weight of the signal, halved with every half-life between the two days. A few thousand rows,
    to be joined to the contacts of a year. Rounded, so that a sum does not depend on the order.
    `as_of` names the CTE of the as-of dates; CTEs `signal` and `kind` are expected beside it.
-#}
{% macro faded_points(as_of) -%}
    select
        {{ as_of }}.as_of_date,
        contacted.contacted_at::date as contacted_date,
        signal.signal_code,
        signal.sensitivity_kind,
        round(
            (
                signal.weight * power(
                    0.5::double precision,
                    ({{ as_of }}.as_of_date - contacted.contacted_at::date)
                    / signal.half_life_days::double precision
                )
            )::numeric,
            6
        ) as points
    from {{ as_of }}
    cross join signal
    inner join kind on signal.sensitivity_kind = kind.sensitivity_kind
    cross join
        lateral generate_series(
            {{ as_of }}.as_of_date + 1 - kind.window_months * interval '1 month',
            {{ as_of }}.as_of_date::timestamp,
            interval '1 day'
        ) as contacted (contacted_at)
    where {{ in_force(as_of ~ '.as_of_date', 'signal') }}
{%- endmacro %}
