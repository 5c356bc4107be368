{#-
    Points of a day's contacts (signal_daily) as of a later day: the weight of the signal, halved with
    every half-life between the two. By floating point, since it is asked for every contact of a year;
    rounded before it is summed, so that the sum does not depend on the order.
-#}
{% macro faded_points(day) -%}
    signal_daily.contact_count * round(
        (
            signal.weight * power(
                0.5::double precision,
                ({{ day }} - signal_daily.contacted_date) / signal.half_life_days::double precision
            )
        )::numeric,
        6
    )
{%- endmacro %}

{#- Whether a day's contacts count for the points as of a day: within the window, weight in force. -#}
{% macro counts_for_points(day) -%}
    signal_daily.contacted_date <= {{ day }}
    and signal_daily.contacted_date >= {{ day }} + 1 - kind.window_months * interval '1 month'
    and {{ in_force(day, 'signal') }}
{%- endmacro %}
