{#-
    Query of the points of one contact, by as-of date and signal: the weight of the signal, halved with
    every half-life between the two days. An array over the days of the window: a contact of `age` days
    before the as-of date has `micropoints[age + 1]`. Millionths in whole numbers, so that the sum over
    a year of contacts is quick and does not depend on their order.
    `as_of` names the CTE of the as-of dates; CTEs `signal` and `kind` are expected beside it.
-#}
{% macro faded_points(as_of) -%}
    select
        {{ as_of }}.as_of_date,
        signal.signal_code,
        signal.sensitivity_kind,
        array(
            select
                (
                    signal.weight * 1000000 * power(
                        0.5::double precision,
                        age.days / signal.half_life_days::double precision
                    )
                )::bigint
            from
                generate_series(
                    0,
                    {{ as_of }}.as_of_date - (
                        {{ as_of }}.as_of_date + 1 - kind.window_months * interval '1 month'
                    )::date
                ) as age (days)
            order by age.days
        ) as micropoints
    from {{ as_of }}
    cross join signal
    inner join kind on signal.sensitivity_kind = kind.sensitivity_kind
    where {{ in_force(as_of ~ '.as_of_date', 'signal') }}
{%- endmacro %}

{#- Whether a day of CTE `signal_daily` lies in the window of CTE `faded`. -#}
{% macro is_fading() -%}
    signal_daily.signal_code = faded.signal_code
    and signal_daily.contacted_date <= faded.as_of_date
    and signal_daily.contacted_date > faded.as_of_date - cardinality(faded.micropoints)
{%- endmacro %}

{#- Millionths of points of a day's contacts of one signal, of the same CTEs. -#}
{% macro faded_micropoints() -%}
    signal_daily.contact_count
    * faded.micropoints[faded.as_of_date - signal_daily.contacted_date + 1]
{%- endmacro %}
